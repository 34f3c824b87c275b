-- What Ctrl-C does in a Lua program that waits in the library: signals.lua CALL. The second
-- one would end LuaJIT.

local once, ffi = require "once", require "ffi"
ffi.cdef "unsigned alarm (unsigned seconds); int getpid (void); void _exit (int code);"

local function node(name)
  local made = once.Node.new(name, {interfaces = "127.0.0.1", beacon_port = 25674, linger = 30})
  made:start()
  return made
end

local ana, ben = node("ana"), node("ben")
local event
repeat event = ana:recv(30) until event.type == "enter"
local calls = {
  ask = function() ana:ask(event.peer, "x") end,
  recv = function() while true do ana:recv() end end,
  events = function() for _ in ana:events() do end end,
  next_offer = function() once.Files.new(ana):next_offer() end,
}

ffi.C.alarm(10) -- which ends the program, if the signal does not end the call
os.execute(("(sleep 0.3; kill -INT %d) &"):format(ffi.C.getpid()))
local ok, err = pcall(calls[arg[1]])
local right = not ok and tostring(err):find("interrupted", 1, true)
print(("Ctrl-C ends %s: %s"):format(arg[1], right and "ok" or tostring(err)))
io.stdout:flush()
ffi.C._exit(right and 0 or 1)
