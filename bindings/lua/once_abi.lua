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
int once_descriptor (uint64_t node, int *result);
]]

local here = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"
local abi = {ffi = ffi, lib = ffi.load(os.getenv("ONCE_LIBRARY") or here .. "libonce.so")}
local lib = abi.lib

-- An error: name is the model's, such as "no peer", code the number that C has.
abi.Error = {__tostring = function(self) return self.message end}
abi.Error.__index = abi.Error

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

function abi.millis(timeout) return timeout and math.max(0, timeout * 1000) or -1 end

function abi.number(data, at, octets)
  local sum = 0
  for i = at, at + octets - 1 do sum = sum * 256 + data:byte(i) end
  return sum
end

-- 64 bits, as LuaJIT has them.
function abi.wide(data, at)
  return ffi.cast("int64_t", abi.number(data, at, 4)) * 4294967296LL + abi.number(data, at + 4, 4)
end

function abi.uuid(data, at)
  local hex = data:sub(at, at + 15):gsub(".", function(c) return ("%02x"):format(c:byte()) end)
  return (hex:gsub("^(........)(....)(....)(....)", "%1-%2-%3-%4-"))
end

-- The octets of a peer, or of its UUID.
function abi.id(peer)
  local text = type(peer) == "table" and peer.uuid or peer
  local octets = text:gsub("-", ""):gsub("%x%x", function(two) return string.char(tonumber(two, 16)) end)
  if #octets ~= 16 then error(text .. " is no UUID", 3) end
  return octets
end

-- Content as it crosses: one frame, or a list of them.
function abi.content(frames)
  if type(frames) == "string" then frames = {frames} end
  local sizes = ffi.new("size_t[?]", math.max(1, #frames))
  for i, frame in ipairs(frames) do sizes[i - 1] = #frame end
  return table.concat(frames), sizes, #frames
end

function abi.text(data, at, size) return data:sub(at, at + size - 1), at + size end

function abi.entries(data, at, count)
  local list = {}
  for i = 1, count do
    local size = abi.number(data, at, 4)
    list[i] = data:sub(at + 4, at + 3 + size)
    at = at + 4 + size
  end
  return list, at
end

local function pairs_of(data, at, count, turn)
  local list, rest = abi.entries(data, at, 2 * count)
  local map = {}
  for i = 1, #list, 2 do map[list[i]] = turn(list[i + 1]) end
  return map, rest
end
function abi.pairs(data, at, count) return pairs_of(data, at, count, tostring) end
function abi.numbers(data, at, count)
  return pairs_of(data, at, count, function(octets) return abi.number(octets, 1, 8) end)
end

function abi.alone(read, data) return (read(data, 5, abi.number(data, 1, 4))) end

-- Reads all records of a class.
function abi.records(class, read, data)
  local found, seen, at = {}, {}, 1
  while at <= #data do
    if data:byte(at) == class then found[#found + 1] = read(data, at, seen) end
    at = at + 5 + abi.number(data, at + 1, 4)
  end
  return found
end

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
  local code = self.receive(self.handle, self.buffer, self.size, abi.millis(timeout), 0, got)
  if ffi.string(lib.once_error_name(code)) == "room" then
    self.size, self.buffer = tonumber(got[0]), ffi.new("char[?]", got[0])
    return self:receive_batch(timeout)
  end
  abi.check(self.handle, code)
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
