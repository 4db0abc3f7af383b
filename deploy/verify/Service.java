// Java 17 with Jackson and the JDK's own cryptography, where Spring Security is not (spring.yaml). JWKS_URL, ISSUER and AUDIENCE as in
// gateway.toml; PORT to try it with `cloakroom attest`.
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpServer;
import java.math.BigInteger;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.security.AlgorithmParameters;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.stream.StreamSupport;

public final class Service {
    static final String ISSUER = Optional.ofNullable(System.getenv("ISSUER")).orElse("https://gateway.internal");
    static final String AUDIENCE = System.getenv("AUDIENCE");
    static final long LEEWAY = 5;
    static final ObjectMapper JSON = new ObjectMapper()
        .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION).enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);
    static final HttpClient HTTP = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(2)).build();

    /** The claims of whoever asks; throws: answer 401. */
    static JsonNode userOf(String authorization) throws Exception {
        String[] words = authorization == null ? new String[0] : authorization.split(" ", 2);
        demand(words.length == 2 && words[0].equalsIgnoreCase("bearer") && words[1].length() <= 8192);
        String[] parts = words[1].split("\\.", -1);
        demand(parts.length == 3);
        JsonNode header = read(parts[0]);
        demand(header.path("alg").asText().equals("ES256") && header.path("typ").asText().equals("at+jwt"));
        demand(!header.has("crit") && header.path("kid").isTextual());
        byte[] tag = Base64.getUrlDecoder().decode(parts[2]);
        Signature signature = Signature.getInstance("SHA256withECDSAinP1363Format");
        signature.initVerify(key(header.get("kid").textValue()));
        signature.update((parts[0] + "." + parts[1]).getBytes(StandardCharsets.US_ASCII));
        demand(tag.length == 64 && signature.verify(tag));
        JsonNode claims = read(parts[1]);
        long now = Instant.now().getEpochSecond();
        JsonNode aud = claims.path("aud");
        demand(claims.path("iss").isTextual() && claims.get("iss").textValue().equals(ISSUER));
        demand(isForUs(aud) || aud.isArray() && StreamSupport.stream(aud.spliterator(), false).anyMatch(Service::isForUs));
        demand(claims.path("exp").isNumber() && claims.get("exp").asLong() + LEEWAY > now);
        demand(!claims.has("nbf") || claims.get("nbf").isNumber() && claims.get("nbf").asLong() <= now + LEEWAY);
        demand(!claims.path("sub").asText().isEmpty());
        return claims;
    }

    static boolean isForUs(JsonNode name) {
        return name.isTextual() && name.textValue().equals(AUDIENCE);
    }

    static JsonNode read(String part) throws Exception {
        JsonNode object = JSON.readTree(Base64.getUrlDecoder().decode(part));
        demand(object.isObject());
        return object;
    }

    static void demand(boolean so) {
        if (!so) {
            throw new SecurityException("refused");
        }
    }

    static Map<String, PublicKey> keys = Map.of();
    static Instant fetched = Instant.EPOCH;

    /** From the gateway's set, which is fetched again when it is five minutes old, and for an unknown `kid` once a second at most. */
    static synchronized PublicKey key(String kid) throws Exception {
        Duration age = Duration.between(fetched, Instant.now());
        if (age.toSeconds() >= (keys.containsKey(kid) ? 300 : 1)) {
            fetched = Instant.now();
            HttpRequest ask = HttpRequest.newBuilder(URI.create(System.getenv("JWKS_URL"))).timeout(Duration.ofSeconds(2)).build();
            JsonNode set = JSON.readTree(HTTP.send(ask, BodyHandlers.ofString()).body());
            Map<String, PublicKey> found = new HashMap<>();
            for (JsonNode one : set.path("keys")) {
                if (one.path("crv").asText().equals("P-256")) {
                    found.put(one.path("kid").asText(), point(one.path("x").asText(), one.path("y").asText()));
                }
            }
            keys = found;
        }
        demand(keys.containsKey(kid));
        return keys.get(kid);
    }

    static PublicKey point(String x, String y) throws Exception {
        AlgorithmParameters curve = AlgorithmParameters.getInstance("EC");
        curve.init(new ECGenParameterSpec("secp256r1"));
        ECPoint point = new ECPoint(number(x), number(y));
        return KeyFactory.getInstance("EC").generatePublic(new ECPublicKeySpec(point, curve.getParameterSpec(ECParameterSpec.class)));
    }

    static BigInteger number(String text) {
        return new BigInteger(1, Base64.getUrlDecoder().decode(text));
    }

    public static void main(String[] arguments) throws Exception {
        InetSocketAddress at = new InetSocketAddress("127.0.0.1", Integer.parseInt(System.getenv("PORT")));
        HttpServer server = HttpServer.create(at, 0);
        server.createContext("/", exchange -> {
            byte[] body = {};
            int status = 200;
            try {
                body = (userOf(exchange.getRequestHeaders().getFirst("Authorization")).get("sub").asText() + "\n").getBytes();
            } catch (Exception | StackOverflowError refused) {
                status = 401;
                exchange.getResponseHeaders().set("WWW-Authenticate", "Bearer error=\"invalid_token\"");
            }
            exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
        System.out.println("listening on " + server.getAddress().getPort());
    }
}
