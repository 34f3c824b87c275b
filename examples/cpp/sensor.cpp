//  A sensor: sensor NAME. Each second it tells the group "temperature" what it measures,
//  and it shows what others do. What the numbers are in, a header says.

#include <once.hpp>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <sstream>

using namespace std::chrono;

//  Shows what others measure, for so long.
static void show (const once::Node &node, steady_clock::time_point until)
{
    try {
        while (true) {
            auto left = duration_cast<milliseconds> (until - steady_clock::now ()).count ();
            once::Event event = node.recv (left > 0? left: 0);
            if (event.type == ONCE_EVENT_TYPE_SHOUT)
                std::cout << event.peer.name << " measures " << event.msg.at (0) << " " << event.peer.header ("unit") << std::endl;
        }
    } catch (const once::Error &error) {
        if (error.code != ONCE_ERR_TIMED_OUT)
            throw;
    }
}

int main (int argc, char **argv)
{
    once::Node node (argc > 1? argv [1]: "");
    node.set_header ("unit", "°C");
    node.join ("temperature");
    node.start ();
    for (auto due = steady_clock::now ();;) {
        std::ostringstream reading;
        reading << std::fixed << std::setprecision (1) << 20 + std::rand () % 50 / 10.0;
        node.shout ("temperature", reading.str ());
        due += seconds (1);
        show (node, due);
    }
}
