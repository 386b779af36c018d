---@meta

--- `require "pyroscope.source.server.transport"`: HTTP for one client, with the policy of this
--- library: tries, deadlines, cancellation, a log. It sends what it is told to and gives back what
--- came; what an answer means is decided above. `pyroscope.http` is loaded by the first request.

---@class pyroscope.transport.options
---@field timeout? number            one request with all its tries, from when the first one goes out; 60
---@field connect_timeout? number    5
---@field concurrency? integer       8
---@field max_bytes? integer         default of requests that name none
---@field compress? boolean
---@field proxy? string
---@field unix_socket? string
---@field ca_file? string            default: $CURL_CA_BUNDLE, $SSL_CERT_FILE, the system's
---@field client_cert? string
---@field client_key? string
---@field username? string
---@field password? string
---@field explain? boolean           keep a log of requests in `transport.log`
---@field waiter? fun(transport: pyroscope.transport, seconds: number): any  see `transport.waiter`
---@field http? table                for tests: instead of `pyroscope.http`
---@field clock? fun(): number       for tests: seconds, never stepping back
---@field random? fun(): number      for tests: [0, 1)

---@class pyroscope.transport.request
---@field url string
---@field method? string             default "GET"
---@field headers? string[]
---@field body? pyroscope.bytes
---@field read? boolean              may be tried again; default true for GET and HEAD, else false
---@field max_bytes? integer
---@field timeout? number            instead of the transport's
---@field username? string           instead of the transport's
---@field password? string
---@field follow? boolean            GET and HEAD; default true

--- Like `pyroscope.http.response`, with:
---@class pyroscope.transport.response: pyroscope.http.response
---@field tries integer
---@field retry_after? number        seconds, where the server said so

---@class pyroscope.transport
---@field waiter? fun(transport: pyroscope.transport, seconds: number): any
--- Called instead of `transport:poll(seconds)` whenever there is nothing to do but wait, for 0.1 s at
--- most: it may draw progress and poll, or yield to a loop that polls `transport:poll(seconds, fds)`
--- for everybody. A true result cancels the requests of the call that waits.
---@field counters pyroscope.transport.counters
---@field log pyroscope.transport.entry[]   with `explain`; the newest 1,000
local transport = {}

---@class pyroscope.transport.counters
---@field requests integer           asked for so far
---@field finished integer           of those, answered or given up
---@field failed integer             of those, without an answer
---@field tries integer
---@field received integer           bytes after inflating, of finished ones

---@class pyroscope.transport.entry
---@field method string
---@field url string                 origin and path
---@field status? integer
---@field error? string              "kind" or "kind code" where there is no answer
---@field ms number                  all tries and pauses
---@field bytes integer              after inflating
---@field wire integer
---@field tries integer

---@param options? pyroscope.transport.options
---@return pyroscope.transport
function transport.new(options) end

--- One request.
---@param request pyroscope.transport.request
---@return pyroscope.transport.response? response  any status
---@return pyroscope.error? err      with `tries`
function transport:request(request) end

--- All requests in flight at once: `for i, response, err in transport:each(requests) do`, in the
--- order in which they finish. Leaving the loop cancels the rest. `options.deadline`: seconds from
--- now for all together.
---@param requests pyroscope.transport.request[]
---@param options? { deadline?: number }
function transport:each(requests, options) end

--- The same, waited for: arrays with the positions of `requests`, holes where there is nothing.
---@param requests pyroscope.transport.request[]
---@param options? { deadline?: number }
---@return table<integer, pyroscope.transport.response> responses
---@return table<integer, pyroscope.error> errors
function transport:exchange(requests, options) end

--- Moves all requests forward, as `pyroscope.http.pool:poll`; returns the ready descriptors.
---@param seconds? number
---@param fds? table<integer, "r"|"w"|"rw">
---@return table<integer, "r"|"w"|"rw"> ready
function transport:poll(seconds, fds) end

--- What is in flight now: requests sent and not finished, and the bytes that they have received.
---@return { running: integer, queued: integer, waiting: integer, received: integer, expected: integer }
function transport:status() end

--- Cancels all that is in flight; calls that wait get errors of kind `cancelled`.
function transport:cancel() end

--- Cancels and closes all connections; twice is fine.
function transport:close() end

return transport
