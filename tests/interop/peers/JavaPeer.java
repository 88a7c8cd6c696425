// The JDK's java.net.http.WebSocket, which is a client only, driven by lines on
// stdin; ../children.py says which. It knows no extensions.

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.net.http.WebSocketHandshakeException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.cert.CertificateFactory;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class JavaPeer {
    private static final HexFormat hex = HexFormat.of();
    private static HttpClient client;
    private static WebSocket socket; // of the newest connection
    private static int count;

    private static void tell(String event, Object... fields) {
        StringBuilder line = new StringBuilder("event=" + event);
        for (int i = 0; i < fields.length; i += 2)
            line.append('&').append(fields[i]).append('=').append(
                URLEncoder.encode(String.valueOf(fields[i + 1]), StandardCharsets.UTF_8));
        System.out.println(line);
        System.out.flush();
    }

    private static byte[] bytes(ByteBuffer buffer) {
        byte[] copy = new byte[buffer.remaining()];
        buffer.get(copy);
        return copy;
    }

    private static class Listener implements WebSocket.Listener {
        private final int conn = ++count;
        private final StringBuilder text = new StringBuilder();
        private final ByteArrayOutputStream binary = new ByteArrayOutputStream();

        private void message(String kind, byte[] data) {
            try {
                byte[] digest = MessageDigest.getInstance("SHA-256").digest(data);
                tell("message", "conn", conn, "kind", kind, "size", data.length,
                     "sha256", hex.formatHex(digest));
            } catch (java.security.NoSuchAlgorithmException impossible) {
                throw new AssertionError(impossible);
            }
        }

        @Override public void onOpen(WebSocket ws) {
            socket = ws;
            tell("open", "conn", conn, "subprotocol", ws.getSubprotocol(),
                 "extensions", "", "offered", "");
            ws.request(Long.MAX_VALUE);
        }

        @Override public CompletionStage<?> onText(WebSocket ws, CharSequence data, boolean last) {
            text.append(data);
            if (last) {
                message("text", text.toString().getBytes(StandardCharsets.UTF_8));
                text.setLength(0);
            }
            return null;
        }

        @Override public CompletionStage<?> onBinary(WebSocket ws, ByteBuffer data, boolean last) {
            binary.writeBytes(bytes(data));
            if (last) {
                message("binary", binary.toByteArray());
                binary.reset();
            }
            return null;
        }

        @Override public CompletionStage<?> onPing(WebSocket ws, ByteBuffer payload) {
            tell("ping", "conn", conn, "payload", hex.formatHex(bytes(payload)));
            return null; // the JDK answers by itself
        }

        @Override public CompletionStage<?> onPong(WebSocket ws, ByteBuffer payload) {
            tell("pong", "conn", conn, "payload", hex.formatHex(bytes(payload)));
            return null;
        }

        @Override public CompletionStage<?> onClose(WebSocket ws, int code, String reason) {
            tell("close", "conn", conn, "code", code, "reason", reason);
            return null; // likewise
        }

        // A stream that ends without a close frame is told here.
        @Override public void onError(WebSocket ws, Throwable error) {
            tell("problem", "conn", conn, "text", error);
            tell("close", "conn", conn, "code", 1006, "reason", "");
        }
    }

    // One client for all connections to a server of the same kind: it starts threads.
    private static HttpClient http(String ca) throws Exception {
        if (client != null)
            return client;
        HttpClient.Builder builder = HttpClient.newBuilder();
        if (ca != null) {
            KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
            trusted.load(null, null);
            try (InputStream file = Files.newInputStream(Path.of(ca))) {
                trusted.setCertificateEntry(
                    "ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
            }
            TrustManagerFactory factory =
                TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            factory.init(trusted);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, factory.getTrustManagers(), null);
            builder.sslContext(context);
        }
        client = builder.build();
        return client;
    }

    private static void connect(Map<String, String> command) throws Exception {
        WebSocket.Builder builder = http(command.get("ca")).newWebSocketBuilder();
        if (command.containsKey("header"))
            builder.header("X-Interop", command.get("header"));
        if (command.containsKey("subprotocols")) {
            String[] names = command.get("subprotocols").split(",");
            builder.subprotocols(names[0], java.util.Arrays.copyOfRange(names, 1, names.length));
        }
        try {
            builder.buildAsync(URI.create(command.get("url")), new Listener()).join();
        } catch (CompletionException error) {
            if (!(error.getCause() instanceof WebSocketHandshakeException refusal))
                throw error;
            tell("refused", "status", refusal.getResponse().statusCode());
        }
    }

    // Fragments of a text are cut by UTF-16 units, but not within a character.
    private static void send(Map<String, String> command) throws Exception {
        byte[] message = Files.readAllBytes(Path.of(command.get("file")));
        boolean isText = command.get("kind").equals("text");
        String text = isText ? new String(message, StandardCharsets.UTF_8) : null;
        int from = 0;
        if (command.containsKey("fragments")) {
            for (String size : command.get("fragments").split(",")) {
                int to = from + Integer.parseInt(size);
                if (isText && Character.isLowSurrogate(text.charAt(to)))
                    to++;
                if (isText)
                    socket.sendText(text.substring(from, to), false).join();
                else
                    socket.sendBinary(ByteBuffer.wrap(message, from, to - from), false).join();
                from = to;
                if (command.containsKey("ping"))
                    socket.sendPing(ByteBuffer.wrap(hex.parseHex(command.get("ping")))).join();
            }
        }
        if (isText)
            socket.sendText(text.substring(from), true).join();
        else
            socket.sendBinary(ByteBuffer.wrap(message, from, message.length - from), true).join();
    }

    private static void obey(Map<String, String> command) throws Exception {
        switch (command.get("do")) {
            case "connect" -> connect(command);
            case "send" -> send(command);
            case "ping" ->
                socket.sendPing(ByteBuffer.wrap(hex.parseHex(command.get("payload")))).join();
            case "pong" ->
                socket.sendPong(ByteBuffer.wrap(hex.parseHex(command.get("payload")))).join();
            case "close" ->
                socket.sendClose(Integer.parseInt(command.get("code")), command.get("reason"))
                    .join();
            default -> throw new IllegalArgumentException(command.get("do"));
        }
    }

    public static void main(String[] arguments) throws Exception {
        BufferedReader stdin =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        tell("ready");
        for (String line = stdin.readLine(); line != null; line = stdin.readLine()) {
            Map<String, String> command = new HashMap<>();
            for (String field : line.split("&")) {
                String[] pair = field.split("=", 2);
                command.put(pair[0], URLDecoder.decode(pair[1], StandardCharsets.UTF_8));
            }
            try {
                obey(command);
            } catch (Exception error) {
                tell("problem", "text", error);
            }
        }
        System.exit(0);
    }
}
