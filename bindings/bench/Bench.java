import io.github.sjohnr.once.Event;
import io.github.sjohnr.once.Node;
import java.time.Duration;
import java.util.Arrays;
import java.util.Iterator;
import java.util.UUID;

/** What bench.py does, in Java: Bench ROLE WHAT COUNT SIZE PORT. */
final class Bench {
    private static Event next(Iterator<Event> events, Event.Type type) {
        for (;;) {
            Event event = events.next();
            if (event.type() == type) {
                return event;
            }
        }
    }

    public static void main(String[] args) {
        boolean flood = args[1].equals("flood");
        int count = Integer.parseInt(args[2]);
        byte[] octets = new byte[Integer.parseInt(args[3])];
        try (Node node = new Node(args[0])) {
            node.setInterface("127.0.0.1");
            node.setPort(Integer.parseInt(args[4]));
            node.setInterval(Duration.ofMillis(100));
            node.setSecurity(Node.Security.PLAIN);
            node.start();
            Iterator<Event> events = node.iterator();
            UUID peer = next(events, Event.Type.ENTER).peer().uuid();
            long begin = System.nanoTime();
            if (args[0].equals("b")) {
                for (int i = 0; i < count; i++) {
                    Event event = next(events, Event.Type.WHISPER);
                    if (!flood) {
                        node.whisper(event.peer(), event.msg());
                    }
                }
                if (flood) {
                    node.whisper(peer, "all");
                }
                next(events, Event.Type.EXIT);
            } else if (flood) {
                for (int i = 0; i < count; i++) {
                    node.whisper(peer, octets);
                }
                next(events, Event.Type.WHISPER);
                System.out.printf("%.0f messages/s%n", count / ((System.nanoTime() - begin) / 1e9));
            } else {
                long[] times = new long[count];
                for (int i = 0; i < count; i++) {
                    begin = System.nanoTime();
                    node.whisper(peer, octets);
                    next(events, Event.Type.WHISPER);
                    times[i] = System.nanoTime() - begin;
                }
                Arrays.sort(times);
                System.out.printf("%.1f us%n", times[count / 2] / 1e3);
            }
        }
    }
}
