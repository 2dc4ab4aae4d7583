import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;

/** Kafka Streams, exactly once: hopping counts of a topic keyed by user, into another topic, to the topic's end or without one. */
public class StreamsViews {
    private static final Duration LATE = Duration.ofMinutes(10);
    private static final long LOOK_MS = 100;
    /** The shortest that a broker takes: how long whoever is killed keeps its partitions. */
    private static final int SESSION_MS = 6_000;

    /** Seldom costs less, often is fresher: the latter is what it does by default. */
    private static final int WHOLE_MS = 1_000, FRESH_MS = 100;

    private final String topic;
    private final String results;

    private StreamsViews(String topic, String results) {
        this.topic = topic;
        this.results = results;
    }

    public static void main(String[] arguments) throws Exception {
        String bootstrap = arguments[0];
        StreamsViews views = new StreamsViews(arguments[1], arguments[2]);
        Duration window = Duration.ofMillis(Long.parseLong(arguments[5]));
        Duration step = Duration.ofMillis(Long.parseLong(arguments[6]));
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            Map<TopicPartition, Long> ends = views.ends(admin);
            if (!admin.listTopics().names().get().contains(views.results)) {
                admin.createTopics(Set.of(new NewTopic(views.results, ends.size(), (short) 1))).all().get();
            }
            boolean isEndless = arguments.length > 7;
            KafkaStreams streams = new KafkaStreams(
                    views.counting(window, step), views.settings(bootstrap, arguments[3], arguments[4], isEndless));
            CountDownLatch failed = new CountDownLatch(1);
            streams.setStateListener((now, before) -> {
                if (now == KafkaStreams.State.ERROR) {
                    failed.countDown();
                }
            });
            streams.start();
            while (isEndless || !views.hasCommitted(admin, ends)) {
                if (failed.await(LOOK_MS, java.util.concurrent.TimeUnit.MILLISECONDS)) {
                    throw new IllegalStateException("Kafka Streams has given up");
                }
            }
            streams.close();
        }
    }

    private org.apache.kafka.streams.Topology counting(Duration window, Duration step) {
        Serde<PageView> views = Serdes.serdeFrom(
                (name, view) -> { throw new UnsupportedOperationException(); }, (name, line) -> PageView.of(line));
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(topic, Consumed.with(Serdes.String(), views)
                        .withTimestampExtractor((record, before) ->
                                record.value() == null ? record.timestamp() : ((PageView) record.value()).at()))
                .filter((user, view) -> view != null)
                .mapValues(view -> "")
                .groupByKey(Grouped.with(Serdes.String(), Serdes.String()))
                .windowedBy(TimeWindows.ofSizeAndGrace(window, LATE).advanceBy(step))
                .count(Materialized.with(Serdes.String(), Serdes.Long()))
                .toStream()
                .map((found, count) -> KeyValue.pair(found.window().start() + "\t" + found.key(), count))
                .to(results, Produced.with(Serdes.String(), Serdes.Long()));
        return builder.build();
    }

    private Properties settings(String bootstrap, String folder, String threads, boolean isEndless) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, results);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, folder);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, isEndless ? FRESH_MS : WHOLE_MS);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 256 * 1024 * 1024);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, Integer.parseInt(threads));
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG), SESSION_MS);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG), SESSION_MS / 3);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MAX_BYTES_CONFIG), 64 * 1024 * 1024);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 8 * 1024 * 1024);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 10_000);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 50);
        return settings;
    }

    private Map<TopicPartition, Long> ends(Admin admin) throws Exception {
        var partitions = admin.describeTopics(Set.of(topic)).allTopicNames().get().get(topic).partitions();
        var asked = partitions.stream().collect(Collectors.toMap(
                each -> new TopicPartition(topic, each.partition()), each -> OffsetSpec.latest()));
        return admin.listOffsets(asked).all().get().entrySet().stream()
                .collect(Collectors.toMap(Map.Entry::getKey, each -> each.getValue().offset()));
    }

    private boolean hasCommitted(Admin admin, Map<TopicPartition, Long> ends) throws Exception {
        var committed = admin.listConsumerGroupOffsets(results).partitionsToOffsetAndMetadata().get();
        return ends.entrySet().stream().allMatch(each ->
                committed.get(each.getKey()) != null && committed.get(each.getKey()).offset() >= each.getValue());
    }
}
