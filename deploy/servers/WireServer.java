import de.bwaldvogel.mongo.MongoBackend;
import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.ServerVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;

/** A server that speaks MongoDB's wire protocol and keeps everything in memory: PORT [ADDRESS]. */
class WireServer {
    public static void main(String[] arguments) {
        MongoBackend backend = new MemoryBackend().version(ServerVersion.MONGO_5_0);
        String address = arguments.length > 1 ? arguments[1] : "127.0.0.1";
        new MongoServer(backend).bind(address, Integer.parseInt(arguments[0]));
    }
}
