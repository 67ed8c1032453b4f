import com.sun.net.httpserver.HttpExchange;
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
import java.util.List;
import java.util.Properties;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * An application that sends numbered messages without a pause, and takes new credentials when it is told, without a
 * restart and without losing a message. It is what docs/vault.md recommends.
 *
 * <p>Producer CLIENT_PROPERTIES TOPIC PORT. On 127.0.0.1:PORT it answers POST /reload, the hook of svidgate; for the test
 * also GET /status, and POST /stop, which ends the sending.
 */
public final class Producer {
    private final Path file;
    private final String topic;
    private final List<Generation> generations = new ArrayList<>();
    private volatile Generation current;
    private long refusedReloads;

    /** Room for messages that are under way. */
    private final Semaphore window = new Semaphore(WINDOW);
    /** Messages to be sent once more. */
    private final Queue<Long> unsent = new ConcurrentLinkedQueue<>();
    private final AtomicLong last = new AtomicLong();
    /** What a producer had and could not send before it was closed. */
    private final AtomicLong handedOver = new AtomicLong();
    /** What a producer in force gave up. */
    private final AtomicLong failed = new AtomicLong();
    private volatile boolean stopping;

    public static void main(String[] arguments) throws IOException {
        Producer application = new Producer(Path.of(arguments[0]), arguments[1]);
        if (application.reload() != 200) {
            System.exit(1);
        }
        Thread sender = new Thread(application::send, "sender");
        sender.start();
        InetSocketAddress address = new InetSocketAddress(InetAddress.getLoopbackAddress(), Integer.parseInt(arguments[2]));
        HttpServer server = HttpServer.create(address, 0);
        // The status is told while a reload is under way.
        server.setExecutor(Executors.newCachedThreadPool());
        server.createContext("/reload", exchange -> answer(exchange, application.reload(), ""));
        server.createContext("/status", exchange -> answer(exchange, 200, application.status()));
        server.createContext("/stop", exchange -> {
            application.stopping = true;
            answer(exchange, 200, "");
        });
        server.start();
    }

    private Producer(Path file, String topic) {
        this.file = file;
        this.topic = topic;
    }

    /**
     * Takes the file as it is now. The answer is 200 only when the broker has taken what is in it: svidgate tries again
     * otherwise, and the producer that works goes on meanwhile. After it, nothing uses the former credentials.
     */
    private synchronized int reload() throws IOException {
        Properties properties = new Properties();
        try (InputStream content = Files.newInputStream(file)) {
            properties.load(content);
        }
        KafkaProducer<String, String> fresh =
                new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer());
        try {
            // The first thing that needs a connection.
            fresh.partitionsFor(topic);
        } catch (KafkaException refused) {
            fresh.close(Duration.ZERO);
            refusedReloads++;
            return 503;
        }
        Generation former = current;
        current = new Generation(fresh);
        generations.add(current);
        if (former != null) {
            former.retire();
        }
        return 200;
    }

    private void send() {
        while (!done()) {
            window.acquireUninterruptibly();
            Long again = unsent.poll();
            if (again == null && stopping) {
                window.release();
                Thread.onSpinWait();
            } else {
                send(again == null ? last.incrementAndGet() : again);
            }
        }
    }

    private void send(long number) {
        Generation generation = current;
        try {
            generation.producer.send(new ProducerRecord<>(topic, Long.toString(number)), (metadata, error) -> {
                if (error == null) {
                    generation.acknowledged.incrementAndGet();
                    window.release();
                } else {
                    (generation.retired ? handedOver : failed).incrementAndGet();
                    again(number);
                }
            });
        } catch (IllegalStateException | KafkaException error) {
            // Closed since the first line: it never had the message.
            if (!generation.retired) {
                failed.incrementAndGet();
            }
            again(number);
        }
    }

    private void again(long number) {
        unsent.add(number);
        window.release();
    }

    private boolean done() {
        return stopping && unsent.isEmpty() && window.availablePermits() == WINDOW;
    }

    private synchronized String status() {
        return String.format(
                "{\"done\":%b,\"sent\":%d,\"handed_over\":%d,\"failed\":%d,\"refused_reloads\":%d,\"generations\":[%s]}",
                done(), last.get(), handedOver.get(), failed.get(), refusedReloads,
                generations.stream().map(Generation::status).collect(Collectors.joining(",")));
    }

    private static void answer(HttpExchange exchange, int status, String body) throws IOException {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(status, bytes.length == 0 ? -1 : bytes.length);
        exchange.getResponseBody().write(bytes);
        exchange.close();
    }

    /** The producer of one version of the file. */
    private static final class Generation {
        private final KafkaProducer<String, String> producer;
        private final AtomicLong acknowledged = new AtomicLong();
        private volatile boolean retired;
        /** What its metrics said last; a closed one has none. */
        private String logins;

        Generation(KafkaProducer<String, String> producer) {
            this.producer = producer;
        }

        /** Sends what it still can with the connections that it has, and hands the rest back. */
        void retire() {
            retired = true;
            logins = logins();
            producer.close(PATIENCE);
        }

        String status() {
            return String.format("{\"acknowledged\":%d,%s}", acknowledged.get(), retired ? logins : logins());
        }

        private String logins() {
            return String.format(
                    "\"logins\":%d,\"logins_again\":%d,\"refused\":%d",
                    metric("successful-authentication-total"),
                    metric("successful-reauthentication-total"),
                    metric("failed-authentication-total") + metric("failed-reauthentication-total"));
        }

        private long metric(String name) {
            return producer.metrics().entrySet().stream()
                    .filter(entry -> entry.getKey().group().equals("producer-metrics"))
                    .filter(entry -> entry.getKey().name().equals(name))
                    .mapToLong(entry -> ((Double) entry.getValue().metricValue()).longValue())
                    .sum();
        }
    }

    /** Messages under way at one time. */
    private static final int WINDOW = 16;
    /** For what is under way at a change; far more than a broker that answers needs. */
    private static final Duration PATIENCE = Duration.ofSeconds(3);
}
