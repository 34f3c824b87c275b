//  Requests and replies: "request serve NAME" answers, "request ask NAME TEXT" asks
//  whoever serves. A request is a number and a text; its reply has the same number.

#include <once.hpp>
#include <algorithm>
#include <cctype>
#include <iostream>

static void serve (const once::Node &node)
{
    node.set_header ("service", "upper");
    node.start ();
    while (true) {
        once::Event event = node.recv ();
        if (event.type != ONCE_EVENT_TYPE_WHISPER || event.msg.size () != 2)
            continue;
        std::string text = event.msg [1];
        std::transform (text.begin (), text.end (), text.begin (), [] (unsigned char c) { return std::toupper (c); });
        node.whisper (event.peer.uuid, {event.msg [0], text});
    }
}

static std::string ask (const once::Node &node, const std::string &text)
{
    node.start ();
    while (true) {
        once::Event event = node.recv ();
        if (event.type == ONCE_EVENT_TYPE_ENTER && event.peer.header ("service") == "upper")
            node.whisper (event.peer.uuid, {"1", text});
        else if (event.type == ONCE_EVENT_TYPE_WHISPER && event.msg.size () == 2 && event.msg [0] == "1")
            return event.msg [1];
    }
}

int main (int argc, char **argv)
{
    std::string what = argc > 2? argv [1]: "";
    if (what == "serve" && argc == 3)
        serve (once::Node (argv [2]));
    else if (what == "ask" && argc == 4)
        std::cout << ask (once::Node (argv [2]), argv [3]) << std::endl;
    else {
        std::cerr << "request serve NAME, or request ask NAME TEXT" << std::endl;
        return 2;
    }
}
