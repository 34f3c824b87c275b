import io.github.sjohnr.once.Event;
import io.github.sjohnr.once.Node;
import java.nio.charset.StandardCharsets;

/**
 * Requests and replies: "Request serve NAME" answers, "Request ask NAME TEXT" asks whoever
 * serves. A request is a number and a text; its reply has the same number.
 */
final class Request {
    private static String text(byte[] frame) {
        return new String(frame, StandardCharsets.UTF_8);
    }

    private static void serve(String name) {
        try (Node node = new Node(name)) {
            node.setHeader("service", "upper");
            node.start();
            for (Event event : node) {
                if (event.type() == Event.Type.WHISPER && event.msg().length == 2) {
                    node.whisper(event.peer(), text(event.msg()[0]), text(event.msg()[1]).toUpperCase());
                }
            }
        }
    }

    private static void ask(String name, String question) {
        try (Node node = new Node(name)) {
            node.start();
            for (Event event : node) {
                if (event.type() == Event.Type.ENTER && event.peer().header("service").equals("upper")) {
                    node.whisper(event.peer(), "1", question);
                } else if (event.type() == Event.Type.WHISPER && text(event.msg()[0]).equals("1")) {
                    System.out.println(text(event.msg()[1]));
                    return;
                }
            }
        }
    }

    public static void main(String[] args) {
        if (args.length == 2 && args[0].equals("serve")) {
            serve(args[1]);
        } else if (args.length == 3 && args[0].equals("ask")) {
            ask(args[1], args[2]);
        } else {
            System.err.println("Request serve NAME, or Request ask NAME TEXT");
            System.exit(2);
        }
    }
}
