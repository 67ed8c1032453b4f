-- Sends each line of a file as the `authorization` header in turn; an empty line is a request without one.
-- The second argument says how many lines to skip at the start. All requests are put together before the load begins, so that wrk costs the same whatever it sends.

local requests, at = {}, 0

function init(args)
    at = tonumber(args[2])
    for value in io.lines(args[1]) do
        local headers = {}
        if value ~= "" then headers["authorization"] = value end
        requests[#requests + 1] = wrk.format("GET", nil, headers)
    end
end

function request()
    at = at % #requests + 1
    return requests[at]
end

function done(summary)
    local errors = summary.errors
    io.write(string.format(
        'RESULT {"requests":%d,"microseconds":%d,"refused":%d,"failed":%d}\n',
        summary.requests, summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
