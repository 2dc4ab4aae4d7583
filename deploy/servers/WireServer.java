import de.bwaldvogel.mongo.MongoBackend;
import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.ServerVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;

/** A server that speaks MongoDB's wire protocol on 127.0.0.1 and keeps everything in memory. */
class WireServer {
    public static void main(String[] arguments) {
        MongoBackend backend = new MemoryBackend().version(ServerVersion.MONGO_5_0);
        new MongoServer(backend).bind("127.0.0.1", Integer.parseInt(arguments[0]));
    }
}
