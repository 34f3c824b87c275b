//  The driver for C++: driver FILE SCENARIO ROLE PORT DIRECTORY.

#include <once.hpp>
#include <atomic>
#include <csignal>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <sstream>
#include <thread>
#include <unistd.h>

using Words = std::vector<std::string>;

struct Failure: std::runtime_error {
    using std::runtime_error::runtime_error;
};

static void demand (bool right, const std::string &what)
{
    if (!right)
        throw Failure (what);
}

static std::string frame (const std::string &word)
{
    auto colon = word.find (':');
    std::string kind = word.substr (0, colon), value = word.substr (colon + 1), octets;
    if (kind == "fill") {
        octets.resize (std::stoul (value));
        for (size_t i = 0; i < octets.size (); i++)
            octets [i] = (char) (i * 7 % 256);
    }
    else if (kind == "long")
        octets = std::string (std::stoul (value), 'x');
    else if (kind == "hex")
        for (size_t i = 0; i < value.size (); i += 2)
            octets += (char) std::stoi (value.substr (i, 2), nullptr, 16);
    else
        octets = value;
    return octets;
}

static std::vector<std::string> frames (const Words &words, size_t from)
{
    std::vector<std::string> all;
    for (; from < words.size (); from++)
        all.push_back (frame (words [from]));
    return all;
}

static void count_line (void *context, int64_t, const char *, size_t, const void *, size_t)
{
    ++*(int *) context;
}

class Driver {
public:
    Driver (int port, std::string directory): port_ (port), directory_ (std::move (directory)) {}

    void run (const Words &words, int64_t timeout)
    {
        const std::string &verb = words [0];
        auto has = [&] (const char *name) { return verb == name; };
        if (has ("node")) make (words);
        else if (has ("start")) node_.start ();
        else if (has ("stop")) node_.stop ();
        else if (has ("close")) node_.close ();
        else if (has ("flush")) node_.flush (timeout);
        else if (has ("recv")) while (true) node_.recv (timeout);
        else if (has ("join")) node_.join (words [1].find (':') == std::string::npos? words [1]: frame (words [1]));
        else if (has ("leave")) node_.leave (words [1]);
        else if (has ("sethead")) node_.set_header (words [1], words [2]);
        else if (has ("whisper")) node_.whisper (peer (words [1]), frames (words, 2));
        else if (has ("nothing")) fails ("argument", {"whisper", "nobody"}, timeout);    // a vector is always there
        else if (has ("ping")) demand (node_.ping (peer (words [1]), timeout) > 0, "it took no time");
        else if (has ("methods")) methods ();
        else if (has ("wrong")) wrong (words [1]);
        else if (has ("ask")) answered_ = node_.ask (peer (words [1]), frames (words, 2));
        else if (has ("answer")) demand (answered_.status == std::stoul (words [1]) && answered_.msg == frames (words, 2), "the answer is another");
        else if (has ("reply")) node_.reply (question_, static_cast<uint32_t> (std::stoul (words [1])), frames (words, 2));
        else if (has ("shout")) node_.shout (words [1], frames (words, 2));
        else if (has ("expect")) expect (words);
        else if (has ("peers")) demand (node_.peers ().size () == std::stoul (words [1]), "there are others");
        else if (has ("own")) demand (node_.own_groups ().size () == std::stoul (words [1]), "there are others");
        else if (has ("header")) demand (peers_ [words [1]].header (words [2]) == (words.size () > 3? words [3]: ""), "the header is another");
        else if (has ("protection")) demand (Words {"", "plain", "curve", "sealed", "none"} [last_] == words [1], "it was protected otherwise");
        else if (has ("text")) demand (node_.name () == words [2], node_.name ());
        else if (has ("error")) fails (words [1], Words (words.begin () + 2, words.end ()), timeout);
        else if (has ("timeout")) fails ("timed-out", Words (words.begin () + 1, words.end ()), 100);
        else if (has ("message")) demand (said_.find (words [1]) != std::string::npos, said_);
        else if (has ("second")) second (words [1]);
        else if (has ("twice")) twice ();
        else if (has ("logged")) demand (lines_ > 0, "nothing was logged");
        else if (has ("die")) kill (getpid (), SIGKILL);
        else if (has ("kill") || has ("stall") || has ("awaitstall")) tell (verb);
        else throw Failure ("there is no such verb");
    }

private:
    once::Node named (const std::string &name)
    {
        once::Node node (name);
        node.set_interface ("127.0.0.1");
        node.set_port (port_);
        node.set_interval (std::chrono::milliseconds (100));
        node.set_linger (std::chrono::milliseconds (500));
        return node;
    }

    void make (const Words &words)
    {
        node_ = named (words [1]);
        for (size_t i = 2; i < words.size (); i++) {
            auto at = words [i].find ('=');
            std::string key = words [i].substr (0, at), value = words [i].substr (at + 1);
            if (key == "security")
                node_.set_security (value == "plain"? ONCE_NODE_SECURITY_PLAIN: ONCE_NODE_SECURITY_SECURE);
            else if (key == "identity")
                node_.set_identity (once::Identity (directory_ + "/" + value));
            else if (key == "log")
                node_.set_log (count_line, &lines_);
            else
                node_.set_header (value.substr (0, value.find ('=')), value.substr (value.find ('=') + 1));
        }
    }

    void second (const std::string &name)
    {
        once::Node other = named (name);
        other.set_identity (once::Identity (directory_ + "/" + name));
        other.start ();
    }

    once::UUID peer (const std::string &name)
    {
        if (name == "self")
            return node_.uuid ();
        once_uuid_t nobody {};
        nobody.octets [15] = 7;
        return name == "nobody"? once::UUID (nobody): peers_ [name].uuid;
    }

    void expect (const Words &words)
    {
        static const Words types {"", "enter", "exit", "join", "leave", "whisper", "shout"};
        while (true) {
            auto event = node_.recv (30000);
            peers_ [event.peer.name] = event.peer;
            if (event.type >= types.size () || types [event.type] != words [1] || event.peer.name != words [2])
                continue;
            last_ = event.protection;
            question_ = event.question;
            size_t at = 3;
            if (at < words.size () && words [at].find (':') == std::string::npos)
                demand (words [at++] == (event.type == ONCE_EVENT_TYPE_EXIT? event.reason: event.group), "it is another group or reason");
            demand (event.msg == frames (words, at), "the frames are not what was sent");
            return;
        }
    }

    void fails (std::string name, const Words &words, int64_t timeout)
    {
        for (auto &letter: name)
            if (letter == '-')
                letter = ' ';
        try {
            run (words, timeout);
        }
        catch (const once::Error &error) {
            said_ = error.what ();
            demand (name == once_error_name (error.code), said_);
            return;
        }
        throw Failure ("it did not fail");
    }

    //  Names each method of methods.txt, so that what is missing does not compile, and gets
    //  what takes no argument.
    void methods ()
    {
        once::Network network (directory_ + "/network");
        network.invite ("ben", "", once::UUID (), 1);
        once::Files files (node_);
        once::Transfer transfer = files.offer (peer ("ben"));
        once::Identity identity;
        once::Server server;
        once::View view = node_.snapshot ();
        demand (!once::Node::interfaces ().empty () && network.members ().size () == 1, "there are others");
        const once::Node &node = node_;
        using node_t = once::Node; using event_t = once::Event; using peer_t = once::Peer; using view_t = once::View;
        using interface_t = once::Interface; using network_t = once::Network; using member_t = once::Member;
        using identity_t = once::Identity; using files_t = once::Files; using transfer_t = once::Transfer; using server_t = once::Server;
#define METHOD(of, name) (void) &of ## _t::name;
#define FIELD METHOD
#define LOOKUP METHOD
#define SINGLETON METHOD
#define HANDLER METHOD
#define GET(of, name) try { of.name (); } catch (const once::Error &error) { demand (*once_error_name (error.code), #name); }
#include "methods.inc"
    }

    void wrong (const std::string &argument)
    {
        said_ = argument == "contest"? "group": argument;   // what follows is of types that hold what is wrong
        try {
            if (argument == "security") node_.set_security (static_cast<once_node_security_t> (258));
            else if (argument == "port") node_.set_port (INT64_MIN);
            else if (argument == "interval") node_.set_interval (std::chrono::milliseconds (-1));
            else if (argument == "timeout") node_.flush (-2);
            else if (argument == "group") node_.join ("");
            else if (argument == "contest") node_.set_contest_in_group ("\xff");
            else if (argument == "content") node_.whisper (peer ("nobody"), std::vector<std::string> ());
            else return;
        }
        catch (const once::Error &error) {
            said_ = error.what ();
            demand (error.code == ONCE_ERR_ARGUMENT, said_);
            return;
        }
        throw Failure ("it did not fail");
    }

    void twice ()
    {
        once_cancel_t cancel;
        once::check (0, once_cancel_new (&cancel));
        std::atomic<int> busy {0}, canceled {0};
        auto wait = [&] {
            try {
                node_.recv (ONCE_FOREVER, cancel);
            }
            catch (const once::Error &error) {
                busy += error.code == ONCE_ERR_BUSY;
                canceled += error.code == ONCE_ERR_CANCELED;
            }
        };
        std::thread first (wait), second (wait);
        while (busy == 0 && canceled == 0)
            std::this_thread::yield ();
        once_cancel (cancel);
        first.join ();
        second.join ();
        once_close (cancel);
        demand (busy == 1 && canceled == 1, "one was to be told busy, and the other canceled");
    }

    void tell (const std::string &word)
    {
        std::string answer;
        std::cout << word << std::endl;
        std::getline (std::cin, answer);
    }

    once::Node node_ {0};
    int port_, lines_ = 0;
    std::string directory_, said_;
    std::map<std::string, once::Peer> peers_;
    unsigned last_ = 0;
    uint64_t question_ = 0;
    once::Event answered_;
};

int main (int, char **argv)
{
    Driver driver (std::stoi (argv [4]), argv [5]);
    std::ifstream file (argv [1]);
    std::string line, now;
    while (std::getline (file, line)) {
        Words words;
        std::istringstream rest (line);
        for (std::string word; std::getline (rest, word, ' ');)
            words.push_back (word);
        if (words.empty ())
            continue;
        if (words [0] == "scenario")
            now = words [1];
        else if (now == argv [2] && words [0] == argv [3])
            try {
                driver.run (Words (words.begin () + 1, words.end ()), 30000);
            }
            catch (const std::exception &error) {
                std::cerr << now << ": " << line << ": " << error.what () << std::endl;
                return 1;
            }
    }
    std::cout << "done" << std::endl;
}
