"""Real servers on this machine, from package registries, without Docker.

    with kafka(directory) as broker, postgresql(directory) as database:
        run(log=broker.url("raw_customer_events"), store=database.url("rtcdp"))

Every server listens on 127.0.0.1 only, keeps its data and its log file in the directory that it is
given, and ends with the process that started it, also when that one is killed with -9.
`python -m deploy.servers` starts them from a terminal.
"""

from deploy.servers.apache_kafka import KafkaServer, kafka
from deploy.servers.jars import spark_kafka_jars
from deploy.servers.mongo_wire import MongoServer, mongodb
from deploy.servers.postgres import PostgresServer, postgresql
from deploy.servers.schema_registry import SchemaRegistry, schema_registry
from deploy.servers.server_process import ServerFailed
from deploy.servers.spark_standalone import SparkCluster, spark_cluster

__all__ = [
    "KafkaServer",
    "MongoServer",
    "PostgresServer",
    "SchemaRegistry",
    "ServerFailed",
    "SparkCluster",
    "kafka",
    "mongodb",
    "postgresql",
    "schema_registry",
    "spark_cluster",
    "spark_kafka_jars",
]
