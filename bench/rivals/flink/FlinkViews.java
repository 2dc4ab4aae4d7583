import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.util.Comparator;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;

/** Flink SQL: hopping counts of a topic keyed by user into PostgreSQL, to the topic's end or without one, on a cluster within this process. */
public class FlinkViews {
    static final String TABLE = "by_flink";

    public static void main(String[] arguments) throws Exception {
        String bootstrap = arguments[0];
        String topic = arguments[1];
        String database = driversUrl(URI.create(arguments[2]));
        Path checkpoints = Path.of(arguments[3]).toAbsolutePath();
        try (Connection connection = DriverManager.getConnection(database)) {
            connection.createStatement().execute("CREATE TABLE IF NOT EXISTS " + TABLE
                    + " (window_start bigint, user_id text, view_count bigint, PRIMARY KEY (window_start, user_id))");
        }
        TableEnvironment tables = TableEnvironment.create(EnvironmentSettings.newInstance()
                .inStreamingMode().withConfiguration(settings(checkpoints, arguments[4])).build());
        tables.executeSql(source(bootstrap, topic, arguments.length > 7));
        tables.executeSql("CREATE TEMPORARY VIEW page_views AS"
                + " SELECT userId, `timestamp` FROM events WHERE eventType = 'PAGE_VIEW'");
        tables.executeSql(sink(database, arguments.length > 7));
        tables.executeSql(counts(Long.parseLong(arguments[5]) / 1_000, Long.parseLong(arguments[6]) / 1_000)).await();
    }

    /** What the JDBC driver calls a database `postgresql://USER@HOST:PORT/NAME`. */
    private static String driversUrl(URI database) {
        String[] person = database.getUserInfo().split(":", 2);
        return "jdbc:postgresql://" + database.getHost() + ":" + database.getPort() + database.getPath()
                + "?reWriteBatchedInserts=true&user=" + person[0] + (person.length > 1 ? "&password=" + person[1] : "");
    }

    private static Configuration settings(Path checkpoints, String threads) throws Exception {
        Configuration settings = new Configuration();
        settings.setString("parallelism.default", threads);
        settings.setString("taskmanager.numberOfTaskSlots", threads);
        settings.setString("execution.checkpointing.mode", "EXACTLY_ONCE");
        settings.setString("execution.checkpointing.interval", "1 s");
        settings.setString("execution.checkpointing.dir", checkpoints.toUri().toString());
        settings.setString("execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION");
        settings.setString("pipeline.object-reuse", "true");
        settings.setString("table.local-time-zone", "UTC");
        Optional<Path> last = lastOf(checkpoints);
        if (last.isPresent()) {
            settings.setString("execution.state-recovery.path", last.get().toUri().toString());
        }
        return settings;
    }

    /** Of what another process left, the newest checkpoint that is whole. */
    private static Optional<Path> lastOf(Path checkpoints) throws Exception {
        if (!Files.isDirectory(checkpoints)) {
            return Optional.empty();
        }
        try (Stream<Path> found = Files.walk(checkpoints)) {
            return found.filter(each -> each.endsWith("_metadata"))
                    .max(Comparator.comparing(each -> each.toFile().lastModified())).map(Path::getParent);
        }
    }

    private static String source(String bootstrap, String topic, boolean isEndless) {
        return "CREATE TABLE events (userId STRING, eventType STRING, `timestamp` TIMESTAMP_LTZ(3),"
                + " WATERMARK FOR `timestamp` AS `timestamp` - INTERVAL '2' MINUTE) WITH ("
                + "'connector' = 'kafka', 'topic' = '" + topic + "',"
                + " 'properties.bootstrap.servers' = '" + bootstrap + "',"
                + " 'properties.max.poll.records' = '10000', 'properties.fetch.max.bytes' = '67108864',"
                + " 'properties.max.partition.fetch.bytes' = '8388608',"
                + " 'scan.startup.mode' = 'earliest-offset',"
                + (isEndless ? "" : " 'scan.bounded.mode' = 'latest-offset',")
                + " 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601')";
    }

    private static String sink(String database, boolean isEndless) {
        return "CREATE TABLE counts (window_start BIGINT, user_id STRING, view_count BIGINT,"
                + " PRIMARY KEY (window_start, user_id) NOT ENFORCED) WITH ("
                + "'connector' = 'jdbc', 'url' = '" + database + "', 'table-name' = '" + TABLE + "',"
                + " 'sink.buffer-flush.max-rows' = '10000', 'sink.buffer-flush.interval' = '" + (isEndless ? "100ms" : "1s") + "')";
    }

    private static String counts(long window, long step) {
        return "INSERT INTO counts SELECT 1000 * CAST(UNIX_TIMESTAMP(CAST(window_start AS STRING)) AS BIGINT),"
                + " userId, COUNT(*) FROM TABLE(HOP(TABLE page_views, DESCRIPTOR(`timestamp`),"
                + " INTERVAL '" + step + "' SECOND, INTERVAL '" + window + "' SECOND))"
                + " GROUP BY window_start, window_end, userId";
    }
}
