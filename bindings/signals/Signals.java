import io.github.sjohnr.once.Event;
import io.github.sjohnr.once.Node;
import io.github.sjohnr.once.OnceException;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * What signals do in a JVM that has a node, and so Go's runtime, inside. The JVM needs some
 * of them itself. Each test is a program of its own, as some end it.
 */
final class Signals {
    private static final Map<String, String> TESTS = Map.of(
        "null", "null pointers are exceptions, in compiled code too",
        "stack", "a stack that overflows is an exception",
        "zero", "a division by zero is an exception",
        "term", "SIGTERM runs the hooks",
        "interrupt", "a thread that is interrupted ends its wait for events",
        "answer", "a thread that is interrupted ends its wait for an answer",
        "handler", "a handler that throws leaves the node as it is");

    private static Node node(String name) {
        Node node = new Node(name);
        node.setInterface("127.0.0.1");
        node.setPort(25672);
        return node;
    }

    private static int length(String text) {
        return text.length();
    }

    private static int deep(int depth) {
        return deep(depth + 1) + 1;
    }

    private static void must(boolean so, Object what) {
        if (!so) {
            throw new AssertionError(what);
        }
    }

    private static void test(String name, Node ana, Node ben) throws Exception {
        int caught = 0;
        switch (name) {
        case "null":
            for (int i = 0; i < 200_000; i++) {
                try {
                    length(i % 100 == 0 ? null : "x");
                } catch (NullPointerException e) {
                    caught++;
                }
            }
            must(caught == 2000, caught);
            break;
        case "stack":
            for (int i = 0; i < 20; i++) {
                try {
                    deep(0);
                } catch (StackOverflowError e) {
                    caught++;
                }
                ana.peers();
            }
            must(caught == 20, caught);
            break;
        case "zero":
            for (int i = 0; i < 200_000; i++) {
                try {
                    caught += 1 / (i % 100) < 0 ? 1 : 0;
                } catch (ArithmeticException e) {
                    caught++;
                }
            }
            must(caught == 2000, caught);
            break;
        case "term":
            Runtime.getRuntime().addShutdownHook(new Thread(() -> {
                ben.close();
                for (Event event : ana) {
                    if (event.type() == Event.Type.EXIT) {
                        System.out.println("ok");
                        System.out.flush();
                        Runtime.getRuntime().halt(0);
                    }
                }
            }));
            new ProcessBuilder("kill", Long.toString(ProcessHandle.current().pid())).start();
            Thread.currentThread().join(); // for ever
            break;
        case "interrupt":
            Thread waits = new Thread(() -> {
                try {
                    for (Event event : ana) {
                        must(event != null, "no event");
                    }
                } catch (OnceException e) {
                    must(e.code().name().equals("CANCELED") && Thread.currentThread().isInterrupted(), e);
                    System.out.println("ended");
                }
            });
            waits.start();
            waits.interrupt();
            waits.join();
            break;
        case "answer":
            Thread asks = new Thread(() -> {
                try {
                    ana.ask(ben.uuid(), "which nobody answers");
                } catch (OnceException e) {
                    must(e.code().name().equals("CANCELED") && Thread.currentThread().isInterrupted(), e);
                    System.out.println("ended");
                }
            });
            asks.start();
            while (ben.recv().question() == 0) {
                // what comes before it
            }
            asks.interrupt();
            asks.join();
            break;
        default:
            must(ana.name().equals("ana"), ana.name());
        }
        System.out.println("ok");
    }

    public static void main(String[] args) throws Exception {
        if (args.length == 1) {
            try (Node ana = node("ana"); Node ben = node("ben")) {
                if (args[0].equals("handler")) {
                    ana.setLog((level, message, attributes) -> {
                        throw new IllegalStateException("a handler that fails");
                    });
                }
                ana.start();
                ben.start();
                for (Event event : ana) {
                    if (event.type() == Event.Type.ENTER) {
                        break;
                    }
                }
                test(args[0], ana, ben);
            }
            return;
        }
        int failed = 0;
        for (Map.Entry<String, String> test : TESTS.entrySet()) {
            Process done = new ProcessBuilder("java", "-cp", System.getProperty("java.class.path"), "Signals", test.getKey()).redirectErrorStream(true).start();
            String said = new String(done.getInputStream().readAllBytes());
            boolean right = done.waitFor(60, TimeUnit.SECONDS) && done.exitValue() == 0 && said.contains("ok\n");
            System.out.println(test.getValue() + ": " + (right ? "ok" : "ended with " + done.exitValue() + " and said " + said));
            failed += right ? 0 : 1;
        }
        System.out.println((TESTS.size() - failed) + " passed, " + failed + " failed");
        System.exit(failed == 0 ? 0 : 1);
    }
}
