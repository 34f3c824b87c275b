//  What once.hpp stands on: handles, errors, and how values cross.

#ifndef ONCE_BASE_HPP_INCLUDED
#define ONCE_BASE_HPP_INCLUDED

#include "once.h"
#include <chrono>
#include <initializer_list>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace once {

//  What a function gave, which is released.
struct Data: once_data_t {
    Data (): once_data_t {nullptr, 0} {}
    Data (const Data &) = delete;
    Data &operator= (const Data &) = delete;
    ~Data () { once_free (this); }
    std::string text () const { return std::string ((const char *) data, size); }
};

//  An error of the library; code is one of once.h.
class Error: public std::runtime_error {
public:
    Error (const std::string &what, int code): std::runtime_error (what), code (code) {}
    const int code;
};

inline void check (uint64_t handle, int code)
{
    if (code == ONCE_OK)
        return;
    Data said;
    once_message (handle, code, &said);
    throw Error (said.text (), code);
}

//  Has a type for a UUID that can be compared.
struct UUID {
    once_uuid_t id {};
    UUID () = default;
    UUID (const once_uuid_t &id): id (id) {}
    operator once_uuid_t * () { return &id; }
    once_uuid_t *operator& () { return &id; }
    bool operator== (const UUID &other) const { return memcmp (id.octets, other.id.octets, 16) == 0; }
    bool operator< (const UUID &other) const { return memcmp (id.octets, other.id.octets, 16) < 0; }
};

//  The frames of a message: a text, or several.
class Content {
public:
    Content (const char *text): Content (std::string (text)) {}
    Content (const std::string &frame): joined_ (frame), sizes_ {frame.size ()} {}
    Content (std::initializer_list<std::string> frames): Content (std::vector<std::string> (frames)) {}
    Content (const std::vector<std::string> &frames)
    {
        for (const auto &frame: frames) {
            joined_ += frame;
            sizes_.push_back (frame.size ());
        }
    }
    const void *data () const { return joined_.data (); }
    const size_t *sizes () const { return sizes_.data (); }
    size_t count () const { return sizes_.size (); }

private:
    std::string joined_;
    std::vector<size_t> sizes_;
};

using Time = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

inline Time time_of (int64_t nanoseconds) { return Time (std::chrono::nanoseconds (nanoseconds)); }
inline std::string text_of (once_text_t text) { return std::string (text.data, text.size); }

inline std::vector<std::string> texts_of (once_list_t list)
{
    std::vector<std::string> all;
    once_text_t entry;
    while (once_list_next (&list, &entry))
        all.push_back (text_of (entry));
    return all;
}

inline std::map<std::string, std::string> map_of (once_list_t list)
{
    std::map<std::string, std::string> all;
    once_text_t key, value;
    while (once_list_next (&list, &key) && once_list_next (&list, &value))
        all [text_of (key)] = text_of (value);
    return all;
}

inline std::map<std::string, uint64_t> numbers_of (once_list_t list)
{
    std::map<std::string, uint64_t> all;
    once_text_t key, value;
    while (once_list_next (&list, &key) && once_list_next (&list, &value))
        all [text_of (key)] = once_number ((const uint8_t *) value.data, (int) value.size);
    return all;
}

//  An object of the library. It can be moved, and closes itself; close tells errors,
//  and may be called twice.
class Handle {
public:
    Handle () = default;
    explicit Handle (uint64_t handle): handle_ (handle) {}
    Handle (const Handle &) = delete;
    Handle &operator= (const Handle &) = delete;
    Handle (Handle &&other) noexcept: handle_ (std::exchange (other.handle_, 0)) {}
    Handle &operator= (Handle &&other) noexcept
    {
        std::swap (handle_, other.handle_);
        return *this;
    }
    ~Handle ()
    {
        if (handle_)
            once_close (handle_);
    }
    void close () { check (handle_, once_close (handle_)); }
    uint64_t handle () const { return handle_; }

    //  What poll and its like find readable while events wait.
    int descriptor () const
    {
        int fd = -1;
        check (handle_, once_descriptor (handle_, &fd));
        return fd;
    }

protected:
    uint64_t handle_ = 0;
};
}
#endif
