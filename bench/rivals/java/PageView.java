import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.Serializable;
import java.time.Instant;

/** Who viewed a page, and when (UTC ms). */
record PageView(String user, long at) implements Serializable {
    private static final JsonFactory JSON = new JsonFactory();

    /** What a line of JSON tells of a page view, or null if it tells of something else. */
    static PageView of(String line) {
        try (JsonParser parser = JSON.createParser(line)) {
            return read(parser);
        } catch (IOException error) {
            throw new IllegalArgumentException(line, error);
        }
    }

    /** The same of bytes. */
    static PageView of(byte[] line) {
        try (JsonParser parser = JSON.createParser(line)) {
            return read(parser);
        } catch (IOException error) {
            throw new IllegalArgumentException(new String(line), error);
        }
    }

    private static PageView read(JsonParser parser) throws IOException {
        String user = null;
        String type = null;
        String timestamp = null;
        parser.nextToken();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String name = parser.currentName();
            parser.nextToken();
            switch (name) {
                case "userId" -> user = parser.getText();
                case "eventType" -> type = parser.getText();
                case "timestamp" -> timestamp = parser.getText();
                default -> parser.skipChildren();
            }
        }
        return "PAGE_VIEW".equals(type) ? new PageView(user, Instant.parse(timestamp).toEpochMilli()) : null;
    }
}
