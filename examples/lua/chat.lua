-- A chat: chat.lua NAME. What you type goes to everybody in the group "chat".

local once = require "once"
local ffi = require "ffi"
ffi.cdef [[
struct pollfd { int fd; short events, revents; };
int poll (struct pollfd *fds, unsigned long count, int timeout);
]]

local function show(event)
  if event.type == "join" then
    print(("* %s is here"):format(event.peer.name))
  elseif event.type == "exit" then
    print(("* %s has left"):format(event.peer.name))
  elseif event.type == "shout" then
    print(("%s: %s"):format(event.peer.name, event.msg[1]))
  end
  io.stdout:flush()
end

-- Shows all events that wait.
local function show_all(node)
  while true do
    local ok, event = pcall(node.recv, node, 0)
    if ok then
      show(event)
    elseif event.name == "timed out" then
      return
    else
      error(event)
    end
  end
end

local node = once.Node.new(arg[1], {groups = {"chat"}})
node:start()
io.stdin:setvbuf("no") -- else poll would not see what is read ahead
local ready = ffi.new("struct pollfd[2]", {{0, 1, 0}, {node:descriptor(), 1, 0}}) -- 1 is POLLIN
while ffi.C.poll(ready, 2, -1) > 0 do
  show_all(node)
  if ready[0].revents ~= 0 then
    local line = io.read()
    if not line then break end
    node:shout("chat", line)
  end
end
node:close()
