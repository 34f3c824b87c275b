import io.github.sjohnr.once.Code;
import io.github.sjohnr.once.Event;
import io.github.sjohnr.once.Node;
import io.github.sjohnr.once.OnceException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.ThreadLocalRandom;

/**
 * A sensor: Sensor NAME. Each second it tells the group "temperature" what it measures, and
 * it shows what others do. What the numbers are in, a header says.
 */
final class Sensor {
    /** Shows what others measure, until such a time. */
    private static void show(Node node, long until) {
        try {
            while (true) {
                Event event = node.recv(Duration.ofNanos(Math.max(0, until - System.nanoTime())), null);
                if (event.type() == Event.Type.SHOUT) {
                    String reading = new String(event.msg()[0], StandardCharsets.UTF_8);
                    System.out.println(event.peer().name() + " measures " + reading + " " + event.peer().header("unit"));
                }
            }
        } catch (OnceException e) {
            if (e.code() != Code.TIMED_OUT) {
                throw e;
            }
        }
    }

    public static void main(String[] args) {
        try (Node node = new Node(args.length > 0 ? args[0] : "")) {
            node.setHeader("unit", "°C");
            node.join("temperature");
            node.start();
            for (long due = System.nanoTime();;) {
                double reading = ThreadLocalRandom.current().nextDouble(20, 25);
                node.shout("temperature", String.format(Locale.ROOT, "%.1f", reading));
                due += 1_000_000_000;
                show(node, due);
            }
        }
    }
}
