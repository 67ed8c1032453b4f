import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialAlteration;
import org.apache.kafka.clients.admin.UserScramCredentialDeletion;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.errors.SaslAuthenticationException;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * What the operator of the broker does, for the test: Operator CLIENT_PROPERTIES PORT. It takes orders on 127.0.0.1:PORT,
 * their words as lines of the body, so that no password is an argument of a program.
 */
public final class Operator {
    private final Properties properties;
    private final Admin admin;

    public static void main(String[] arguments) throws Exception {
        Operator operator = new Operator(Path.of(arguments[0]));
        InetSocketAddress address = new InetSocketAddress(InetAddress.getLoopbackAddress(), Integer.parseInt(arguments[1]));
        HttpServer server = HttpServer.create(address, 0);
        operator.on(server, "/up", words -> operator.admin.describeCluster().nodes().get().size() + "");
        operator.on(server, "/topic", words -> operator.topic(words[0]));
        operator.on(server, "/allow", words -> operator.allow(words[0], words[1]));
        operator.on(server, "/credential", words -> operator.alter(new UserScramCredentialUpsertion(
                words[0], new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), words[1])));
        operator.on(server, "/forget", words -> operator.alter(
                new UserScramCredentialDeletion(words[0], ScramMechanism.SCRAM_SHA_512)));
        operator.on(server, "/login", words -> operator.login(words[0], words[1]));
        operator.on(server, "/read", words -> operator.read(words[0]));
        server.start();
    }

    private Operator(Path file) throws IOException {
        properties = new Properties();
        try (InputStream content = Files.newInputStream(file)) {
            properties.load(content);
        }
        admin = Admin.create(properties);
    }

    private String topic(String name) throws Exception {
        admin.createTopics(List.of(new NewTopic(name, PARTITIONS, (short) 1))).all().get();
        return "";
    }

    /** To write to a topic, and nothing else. */
    private String allow(String user, String topic) throws Exception {
        ResourcePattern pattern = new ResourcePattern(ResourceType.TOPIC, topic, PatternType.LITERAL);
        AccessControlEntry entry =
                new AccessControlEntry("User:" + user, "*", AclOperation.WRITE, AclPermissionType.ALLOW);
        admin.createAcls(List.of(new AclBinding(pattern, entry))).all().get();
        return "";
    }

    private String alter(UserScramCredentialAlteration alteration) throws Exception {
        admin.alterUserScramCredentials(List.of(alteration)).all().get();
        return "";
    }

    /** Over a new connection: `in` or `refused`. */
    private String login(String user, String password) throws Exception {
        Properties other = new Properties();
        other.putAll(properties);
        other.put("sasl.jaas.config", String.format(
                "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"%s\" password=\"%s\";",
                user, password.replace("\\", "\\\\").replace("\"", "\\\"")));
        try (Admin caller = Admin.create(other)) {
            caller.describeCluster().nodes().get();
            return "in";
        } catch (ExecutionException error) {
            if (error.getCause() instanceof SaslAuthenticationException) {
                return "refused";
            }
            throw error;
        }
    }

    /** Every message of a topic, a line each. */
    private String read(String topic) {
        StringBuilder lines = new StringBuilder();
        StringDeserializer text = new StringDeserializer();
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(properties, text, text)) {
            Collection<TopicPartition> partitions = new ArrayList<>();
            consumer.partitionsFor(topic).forEach(info -> partitions.add(new TopicPartition(topic, info.partition())));
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
                consumer.poll(Duration.ofSeconds(1)).forEach(record -> lines.append(record.value()).append('\n'));
            }
        }
        return lines.toString();
    }

    private interface Order {
        String carryOut(String[] words) throws Exception;
    }

    private void on(HttpServer server, String path, Order order) {
        server.createContext(path, exchange -> {
            int status = 200;
            String answer;
            try {
                String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
                answer = order.carryOut(body.split("\n"));
            } catch (Exception error) {
                status = 500;
                answer = error.toString();
            }
            byte[] bytes = answer.getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(status, bytes.length == 0 ? -1 : bytes.length);
            exchange.getResponseBody().write(bytes);
            exchange.close();
        });
    }

    private static final int PARTITIONS = 3;
}
