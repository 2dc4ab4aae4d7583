#!/bin/sh
# KAFKA_NODE_ID=1 becomes node.id=1, as in the image that this stands for.
set -eu
env | sed -n 's/^KAFKA_//p' | while IFS='=' read -r name value; do
    printf '%s=%s\n' "$(echo "$name" | tr 'A-Z_' 'a-z.')" "$value"
done >/tmp/server.properties
run() { java -Xms256m -Xmx512m -cp '/opt/kafka/libs/*' "$@"; }
run kafka.tools.StorageTool format --ignore-formatted -t "$CLUSTER_ID" -c /tmp/server.properties
exec java -Xms256m -Xmx512m -cp '/opt/kafka/libs/*' kafka.Kafka /tmp/server.properties
