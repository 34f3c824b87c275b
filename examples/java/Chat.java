import io.github.sjohnr.once.Event;
import io.github.sjohnr.once.Node;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;

/** A chat: Chat NAME. What you type goes to everybody in the group "chat". */
final class Chat {
    private static void show(Node node) {
        for (Event event : node) {
            String name = event.peer().name();
            switch (event.type()) {
            case JOIN: System.out.println("* " + name + " is here"); break;
            case SHOUT: System.out.println(name + ": " + new String(event.msg()[0], StandardCharsets.UTF_8)); break;
            case EXIT:
                if (!event.reason().equals("stopped")) {
                    System.out.println("* " + name + " has left");
                }
                break;
            default: break;
            }
        }
    }

    public static void main(String[] args) throws IOException, InterruptedException {
        try (Node node = new Node(args.length > 0 ? args[0] : "")) {
            node.join("chat");
            node.start();
            Thread shower = new Thread(() -> show(node));
            shower.start();
            BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                node.shout("chat", line);
            }
            node.stop();
            shower.join(); // the events end when the node has stopped
        }
    }
}
