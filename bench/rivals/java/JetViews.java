import com.hazelcast.config.Config;
import com.hazelcast.core.Hazelcast;
import com.hazelcast.core.HazelcastInstance;
import com.hazelcast.jet.aggregate.AggregateOperations;
import com.hazelcast.jet.config.JobConfig;
import com.hazelcast.jet.config.ProcessingGuarantee;
import com.hazelcast.jet.datamodel.KeyedWindowResult;
import com.hazelcast.jet.pipeline.BatchSource;
import com.hazelcast.jet.pipeline.Pipeline;
import com.hazelcast.jet.pipeline.Sinks;
import com.hazelcast.jet.pipeline.WindowDefinition;
import com.hazelcast.jet.pipeline.file.FileFormat;
import com.hazelcast.jet.pipeline.file.FileSources;
import java.nio.file.Path;

/** Hazelcast Jet, embedded: sliding counts of the lines of a file, with its snapshots on. */
public class JetViews {
    private static final long LATE_MS = 10_000;

    public static void main(String[] arguments) {
        long windowMs = Long.parseLong(arguments[2]);
        long stepMs = Long.parseLong(arguments[3]);
        Pipeline pipeline = Pipeline.create();
        pipeline.readFrom(lines(arguments[0]))
                .map(PageView::of)
                .addTimestamps(PageView::at, LATE_MS)
                .groupingKey(PageView::user)
                .window(WindowDefinition.sliding(windowMs, stepMs))
                .aggregate(AggregateOperations.counting())
                .writeTo(Sinks.<KeyedWindowResult<String, Long>>filesBuilder(arguments[1])
                        .toStringFn(found -> found.start() + "\t" + found.key() + "\t" + found.result())
                        .exactlyOnce(true)
                        .build());
        HazelcastInstance member = Hazelcast.newHazelcastInstance(alone());
        try {
            member.getJet().newJob(pipeline, new JobConfig()
                    .setProcessingGuarantee(ProcessingGuarantee.EXACTLY_ONCE)
                    .setSnapshotIntervalMillis(1_000)).join();
        } finally {
            member.shutdown();
        }
    }

    /** Lines as bytes are not among what it reads; texts are. One reader keeps their order. */
    private static BatchSource<String> lines(String file) {
        Path path = Path.of(file).toAbsolutePath();
        return FileSources.files(path.getParent().toString())
                .glob(path.getFileName().toString())
                .sharedFileSystem(true)
                .format(FileFormat.lines())
                .build();
    }

    private static Config alone() {
        Config config = new Config();
        config.setProperty("hazelcast.logging.type", "none");
        config.setProperty("hazelcast.phone.home.enabled", "false");
        config.setProperty("hazelcast.socket.bind.any", "false");
        config.getJetConfig().setEnabled(true);
        config.getNetworkConfig().getInterfaces().setEnabled(true).addInterface("127.0.0.1");
        config.getNetworkConfig().getJoin().getAutoDetectionConfig().setEnabled(false);
        config.getNetworkConfig().getJoin().getMulticastConfig().setEnabled(false);
        return config;
    }
}
