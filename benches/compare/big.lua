-- The bytes that wrk received, whether or not their answers became complete.
function done(summary)
  io.write("received ", summary.bytes, " bytes\n")
end
