# frozen_string_literal: true

# A sensor: sensor.rb NAME. Each second it tells the group "temperature" what it
# measures, and it shows what others do. What the numbers are in, a header says.

require "once"

node = Once::Node.new(ARGV[0], groups: ["temperature"], headers: { "unit" => "°C" })
node.start
Thread.new do
  loop do
    node.shout("temperature", format("%.1f", 20 + 5 * rand))
    sleep 1
  end
end
node.each do |event|
  next unless event.type == :shout

  puts "#{event.peer.name} measures #{event.msg[0]} #{event.peer.header("unit")}"
  $stdout.flush
end
