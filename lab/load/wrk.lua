-- What `lab/load/wrk.py` has wrk do: send requests that differ, and report in JSON.
--
-- Arguments: the request before its counter, the request after it, the counter's digits.

local threads = 0

function setup(thread)
   -- Counters of different threads never meet: each has its own first digit.
   thread:set("first_digit", threads)
   threads = threads + 1
end

function init(arguments)
   before, after = arguments[1], arguments[2]
   digits = tonumber(arguments[3])
   number = first_digit * 10 ^ (digits - 1)
   pattern = "%0" .. digits .. ".0f"
end

function request()
   local text = before .. pattern:format(number) .. after
   number = number + 1
   return text
end

function done(summary, latency, requests)
   local e = summary.errors
   -- wrk's unit is the microsecond
   io.write(string.format(
      '\nlab-json {"requests": %d, "microseconds": %d, "bytes": %d, ' ..
      '"p50": %d, "p75": %d, "p90": %d, "p99": %d, "p999": %d, "max": %d, "mean": %f, ' ..
      '"errors": {"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}}\n',
      summary.requests, summary.duration, summary.bytes,
      latency:percentile(50), latency:percentile(75), latency:percentile(90),
      latency:percentile(99), latency:percentile(99.9), latency.max, latency.mean,
      e.connect, e.read, e.write, e.status, e.timeout))
end
