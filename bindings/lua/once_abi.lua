-- What the printed module stands on: the library, its errors, and how values cross.

local ffi = require "ffi"

ffi.cdef [[
typedef struct { void *data; size_t size; } once_data_t;
int once_compatible (int abi, const char *model);
const char *once_version (void);
const char *once_error_name (int code);
int once_close (uint64_t handle);
int once_message (uint64_t handle, int code, once_data_t *result);
void once_free (once_data_t *data);
int once_call_new (int64_t timeout, uint64_t cancel, uint64_t calls, uint64_t *result);
int once_descriptor (uint64_t node, int *result);
]]

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
local abi = require "once_crossing"
abi.ffi, abi.lib = ffi, ffi.load(os.getenv("ONCE_LIBRARY") or here .. "libonce.so")
local lib = abi.lib

-- Returns what the library gave, and releases it.
function abi.take(data)
  local text = ffi.string(data.data, data.size)
  lib.once_free(data)
  return text
end

function abi.check(handle, code)
  if code == 0 then return end
  local data, name = ffi.new("once_data_t"), ffi.string(lib.once_error_name(code))
  local message = lib.once_message(handle, code, data) == 0 and abi.take(data) or name
  error(setmetatable({name = name, code = code, message = message}, abi.Error), 3)
end

-- Makes a call that waits, in slices of 0.2 s, between which Ctrl-C is seen to. again says
-- that what was not done in no time may be begun anew.
function abi.wait(handle, timeout, again, call)
  local left = abi.millis(timeout)
  if again then
    local code = call(0, 0)
    if left == 0 or code ~= abi.TIMED_OUT then return abi.check(handle, code) end
  end
  local made = ffi.new("uint64_t[1]")
  abi.check(0, lib.once_call_new(left, 0, 0, made))
  local ok, code
  repeat ok, code = pcall(call, 200, made[0]) until not ok or code ~= abi.PENDING
  lib.once_close(made[0])
  if not ok then error(code, 0) end
  abi.check(handle, code)
end
jit.off(abi.wait) -- what is compiled does not see to Ctrl-C

-- An object of the library. Closing it closes what belongs to it; twice is safe.
abi.Handle = {}
abi.Handle.__index = abi.Handle
function abi.Handle:close()
  self.closed = true
  abi.check(self.handle, lib.once_close(self.handle))
end

function abi.class(parent)
  local class = setmetatable({}, parent)
  class.__index = class
  return class
end

function abi.own(class, handle, parent)
  local self = setmetatable({handle = handle, parent = parent}, class)
  self.guard = newproxy(true)
  getmetatable(self.guard).__gc = function() lib.once_close(handle) end
  return self
end

-- An object that has events.
abi.Source = abi.class(abi.Handle)

function abi.Source:receive_batch(timeout)
  local waiting = self.waiting
  self.waiting = nil
  if waiting and waiting[self.next] then return {unpack(waiting, self.next)} end
  self.size = self.size or 262144
  self.buffer = self.buffer or ffi.new("char[?]", self.size)
  local got = ffi.new("size_t[1]")
  local function receive(slice, call)
    local code = self.receive(self.handle, self.buffer, self.size, slice, call, got)
    if ffi.string(lib.once_error_name(code)) ~= "room" then return code end
    self.size, self.buffer = tonumber(got[0]), ffi.new("char[?]", got[0])
    return receive(slice, call)
  end
  abi.wait(self.handle, timeout, true, receive)
  return self.decode(ffi.string(self.buffer, got[0]))
end

function abi.Source:receive_one(timeout)
  if not (self.waiting and self.waiting[self.next]) then
    self.waiting, self.next = self:receive_batch(timeout), 1
  end
  self.next = self.next + 1
  return self.waiting[self.next - 1]
end

-- for event in node:events() do ... end; it ends when the node has stopped.
function abi.Source:events()
  return function()
    local ok, event = pcall(self.receive_one, self)
    if ok then return event end
    if self.closed or type(event) == "table" and event.code == self.ends then return nil end
    error(event, 0)
  end
end

-- What poll and its like find readable while events wait.
function abi.Source:descriptor()
  local fd = ffi.new("int[1]")
  abi.check(self.handle, lib.once_descriptor(self.handle, fd))
  return fd[0]
end

return abi
