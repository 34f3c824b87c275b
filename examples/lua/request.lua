-- Requests and replies: "request.lua serve NAME" answers, "request.lua ask NAME TEXT" asks
-- whoever serves. A request is a number and a text; its reply has the same number.

local once = require "once"

local function serve(name)
  local node = once.Node.new(name, {headers = {service = "upper"}})
  node:start()
  for event in node:events() do
    if event.type == "whisper" and #event.msg == 2 then
      node:whisper(event.peer, {event.msg[1], event.msg[2]:upper()})
    end
  end
end

local function ask(name, text)
  local node = once.Node.new(name)
  node:start()
  for event in node:events() do
    if event.type == "enter" and event.peer:header("service") == "upper" then
      node:whisper(event.peer, {"1", text})
    elseif event.type == "whisper" and event.msg[1] == "1" then
      print(event.msg[2])
      break
    end
  end
  node:close()
end

if arg[1] == "serve" and #arg == 2 then
  serve(arg[2])
elseif arg[1] == "ask" and #arg == 3 then
  ask(arg[2], arg[3])
else
  io.stderr:write("request.lua serve NAME, or request.lua ask NAME TEXT\n")
  os.exit(2)
end
