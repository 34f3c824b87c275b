//  A chat: chat NAME. What you type goes to everybody in the group "chat".

#include <once.hpp>
#include <iostream>
#include <thread>

static void show (const once::Node &node)
{
    try {
        while (true) {
            once::Event event = node.recv ();
            if (event.type == ONCE_EVENT_TYPE_JOIN)
                std::cout << "* " << event.peer.name << " is here" << std::endl;
            else if (event.type == ONCE_EVENT_TYPE_EXIT && event.reason != "stopped")
                std::cout << "* " << event.peer.name << " has left" << std::endl;
            else if (event.type == ONCE_EVENT_TYPE_SHOUT)
                std::cout << event.peer.name << ": " << event.msg.at (0) << std::endl;
        }
    } catch (const once::Error &error) {
        if (error.code != ONCE_ERR_STOPPED) //  which ends the events
            std::cerr << error.what () << std::endl;
    }
}

int main (int argc, char **argv)
{
    once::Node node (argc > 1? argv [1]: "");
    node.join ("chat");
    node.start ();
    std::thread shower (show, std::cref (node));
    std::string line;
    while (std::getline (std::cin, line))
        node.shout ("chat", line);
    node.stop ();
    shower.join ();
}
