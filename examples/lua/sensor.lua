-- A sensor: sensor.lua NAME. Each second it tells the group "temperature" what it
-- measures, and it shows what others do. What the numbers are in, a header says.

local once = require "once"

local node = once.Node.new(arg[1], {groups = {"temperature"}, headers = {unit = "°C"}})
node:start()
local due = os.time()
while true do
  if os.time() >= due then
    node:shout("temperature", ("%.1f"):format(20 + 5 * math.random()))
    due = os.time() + 1
  end
  local ok, event = pcall(node.recv, node, 0.2)
  if not ok then
    if event.name ~= "timed out" then error(event) end
  elseif event.type == "shout" then
    print(("%s measures %s %s"):format(event.peer.name, event.msg[1], event.peer:header("unit")))
    io.stdout:flush()
  end
end
