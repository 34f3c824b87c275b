-- The driver for Lua: driver.lua FILE SCENARIO ROLE PORT DIRECTORY.

local once = require "once"
local ffi = require "ffi"
ffi.cdef "int getpid (void); int kill (int pid, int signal);"

local file, scenario, role, port, directory = ...
local node, last, answered, said, peers, verbs = nil, nil, nil, "", {}, {}

local function frame(word)
  local kind, value = word:match("^(%a+):(.*)$")
  if kind == "long" then return ("x"):rep(tonumber(value)) end
  if kind == "hex" then return (value:gsub("%x%x", function(two) return string.char(tonumber(two, 16)) end)) end
  if kind == "fill" then
    local round = {}
    for i = 0, 255 do round[i + 1] = string.char(i * 7 % 256) end
    return table.concat(round):rep(math.ceil(tonumber(value) / 256)):sub(1, tonumber(value))
  end
  return value
end

local function frames(words, from)
  local list = {}
  for i = from, #words do list[#list + 1] = frame(words[i]) end
  return list
end

local function make(name, more)
  more.interfaces, more.beacon_port, more.interval, more.linger = "127.0.0.1", tonumber(port), 0.1, 0.5
  return once.Node.new(name, more)
end

function verbs.node(words)
  local more = {}
  for i = 2, #words do
    local key, value = words[i]:match("^(.-)=(.*)$")
    if key == "security" then more.security = value end
    if key == "identity" then more.identity = once.Identity.new(directory .. "/" .. value) end
    if key == "header" then more.headers = {[value:match("^(.-)=")] = value:match("=(.*)$")} end
  end
  node = make(words[1], more)
end

local function peer(name)
  if name == "self" then return node:uuid() end
  return name == "nobody" and "00000000-0000-0000-0000-000000000007" or peers[name]
end

function verbs.expect(words)
  while true do
    local event = node:recv(30)
    peers[event.peer.name] = event.peer
    if event.type == words[1] and event.peer.name == words[2] then
      last = event
      local at = 3
      if words[3] and not words[3]:find(":") then
        assert(words[3] == (event.type == "exit" and event.reason or event.group), "it is another group or reason")
        at = 4
      end
      local wanted = frames(words, at)
      assert(#wanted == #event.msg, "it has another number of frames")
      for i, octets in ipairs(wanted) do assert(octets == event.msg[i], "a frame is not what was sent") end
      return
    end
  end
end

local function run(words, timeout)
  return verbs[words[1]]({unpack(words, 2)}, timeout or 10)
end

local function fails(name, words, timeout)
  local ok, err = pcall(run, words, timeout)
  assert(not ok, "it did not fail")
  if type(err) ~= "table" then error(err, 0) end
  assert(err.name == name:gsub("-", " "), err.message)
  said = err.message
end

local function tell(word)
  print(word)
  io.stdout:flush()
  io.read()
end

function verbs.start() node:start() end
function verbs.stop() node:stop() end
function verbs.close() node:close() end
function verbs.flush(_, timeout) node:flush(timeout) end
function verbs.recv(_, timeout) while true do node:recv(timeout) end end
function verbs.join(words) node:join(words[1]:find(":") and frame(words[1]) or words[1]) end
function verbs.leave(words) node:leave(words[1]) end
function verbs.sethead(words) node:set_header(words[1], words[2]) end
function verbs.whisper(words) node:whisper(peer(words[1]), frames(words, 2)) end
function verbs.nothing(words)
  local content = "x"
  if words[1] == "content" then content = nil elseif words[1] == "frame" then content = {false} end
  local who = words[1] ~= "peer" and peer("nobody") or nil
  assert(not pcall(node.whisper, node, who, content), "it did not fail")
end
local mistakes = {
  security = function() node:set_security("none") end,
  port = function() node:set_port(2^70) end,
  status = function() node:reply(1, 2^32, "x") end,
  interval = function() node:set_interval(-0.001) end,
  timeout = function() node:flush(-0.001) end,
  groups = function() make("ben", {groups = "room"}) end,
  headers = function() make("ben", {headers = "city"}) end,
  group = function() node:join(5) end,
  contest = function() node:set_contest_in_group("\255") end,
  peer = function() node:whisper(("x"):rep(16), "x") end,
  shared = function() node:set_shared("no") end,
  identity = function() node:set_identity(node) end,
  content = function()
    local _, err = pcall(node.whisper, node, peer("nobody"), {"a", [3] = "c"})
    assert(err.name == "argument", err)
    node:whisper(peer("nobody"), {5})
  end,
}
function verbs.wrong(words)
  local ok, err = pcall(mistakes[words[1]])
  assert(not ok, "it did not fail")
  assert(err.name == "argument", err)
  said = err.message
end
function verbs.ping(words, timeout) assert(node:ping(peer(words[1]), timeout) > 0) end
function verbs.methods()
  local network = once.Network.new(directory .. "/network")
  network:invite("ben", "", "00000000-0000-0000-0000-000000000000", 1)
  local files = once.Files.new(node)
  local of = {
    once_node = node, once_view = node:snapshot(), once_event = last, once_peer = last.peer,
    once_interface = once.Node.interfaces()[1], once_network = network, once_member = network:members()[1],
    once_identity = once.Identity.new(), once_files = files, once_transfer = files:offer(last.peer), once_server = once.Server.new(),
  }
  for line in io.lines(file:match("^.*/") .. "methods.txt") do
    local owner, name, kind = line:match("^(once_%w+) ([%w_]+) (%w+)$")
    if owner and kind ~= "handler" then -- there are no handlers
      -- a field that says nothing is nil
      assert(kind == "field" or of[owner][name] ~= nil, "there is no " .. line)
      if kind == "get" then
        local ok, err = pcall(of[owner][name], of[owner])
        assert(ok or type(err) == "table" and err.name, err)
      end
    end
  end
end
function verbs.ask(words) answered = node:ask(peer(words[1]), frames(words, 2)) end
function verbs.answer(words)
  local wanted = frames(words, 2)
  assert(answered.status == tonumber(words[1]), answered.status)
  assert(#wanted == #answered.msg, "it has another number of frames")
  for i, octets in ipairs(wanted) do assert(octets == answered.msg[i], "a frame is not what was sent") end
end
function verbs.reply(words) node:reply(last.question, tonumber(words[1]), frames(words, 2)) end
function verbs.shout(words) node:shout(words[1], frames(words, 2)) end
function verbs.second(words) make(words[1], {identity = once.Identity.new(directory .. "/" .. words[1])}):start() end
function verbs.peers(words) assert(#node:peers() == tonumber(words[1]), #node:peers()) end
function verbs.own(words) assert(#node:own_groups() == tonumber(words[1])) end
function verbs.header(words) assert(peers[words[1]]:header(words[2]) == (words[3] or ""), "it is another") end
function verbs.protection(words) assert(last.protection == words[1], last.protection) end
function verbs.text(words) assert(node[words[1]](node) == words[2]) end
verbs["error"] = function(words, timeout) fails(words[1], {unpack(words, 2)}, timeout) end
function verbs.timeout(words) fails("timed-out", words, 0.1) end
function verbs.message(words) assert(said:find(words[1], 1, true), said) end
function verbs.die() ffi.C.kill(ffi.C.getpid(), 9) end
function verbs.kill() tell "kill" end
function verbs.stall() tell "stall" end
function verbs.awaitstall() tell "awaitstall" end
function verbs.twice() end -- Lua has one thread
function verbs.logged() end -- and no handlers

local now
for line in io.lines(file) do
  local words = {}
  for word in (line .. " "):gmatch("(.-) ") do words[#words + 1] = word end
  if words[1] == "scenario" then
    now = words[2]
  elseif now == scenario and words[1] == role then
    local ok, err = pcall(run, {unpack(words, 2)})
    if not ok then
      io.stderr:write(("%s: %s: %s\n"):format(scenario, line, tostring(err)))
      os.exit(1)
    end
  end
end
print "done"
