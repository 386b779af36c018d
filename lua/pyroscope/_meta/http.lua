---@meta pyroscope.http

--- Many HTTP requests in flight over libcurl. Bytes are collected in C under a limit, no Lua code
--- runs inside libcurl, nothing is printed, and no error text holds a header, a credential or a
--- query string. It knows nothing of Pyroscope and has no policy: `source/server/transport.lua`
--- above it decides about tries and deadlines, and is what a client uses.
---@class pyroscope.http
---@field version string          of libcurl, as it was loaded
local http = {}

--- A clock in seconds that never steps, with fractions.
---@return number
function http.now() end

--- The parts of an address: credentials cut off, nothing looked up, nothing sent.
---@param url string
---@return pyroscope.http.address? address
---@return pyroscope.error? err    kind `config`, code "bad_url"
function http.address(url) end

---@class pyroscope.http.address
---@field scheme "http"|"https"
---@field host string             IPv6 in brackets
---@field port integer            also when it is the default
---@field path string             at least "/"
---@field query? string
---@field username? string        decoded
---@field password? string
---@field url string              origin, path and query without credentials: what to send to
---@field show string             origin and path: what may be shown
---@field loopback boolean        localhost, 127.0.0.0/8 or ::1

---@param options? { concurrency?: integer, max_host_connections?: integer }  default 8 and 16
---@return pyroscope.http.pool
function http.pool(options) end

--- Owns connections and requests for its whole life. Requests above `concurrency` wait in it, in
--- order. Closing cancels what is in flight.
---@class pyroscope.http.pool
---@field concurrency integer
---@field running integer         handed to libcurl
---@field queued integer          waiting for a place
local pool = {}

---@class pyroscope.http.options
---@field url string              http or https; user:password@ is cut off and sent as basic auth
---@field method? string          default "GET"
---@field headers? string[]       "Name: value"; CR and LF are refused
---@field body? pyroscope.bytes   kept alive, not copied
---@field username? string        basic authentication; wins over what stands in the URL
---@field password? string
---@field max_bytes? integer      of the body after inflating, default 16 MiB
---@field timeout? number         seconds, waiting in the pool included; default 60
---@field connect_timeout? number seconds for name, connection and TLS together; default 5
---@field silence? number         seconds without a byte in either direction; default 30
---@field compress? boolean       ask for gzip; nil: yes, except on loopback and unix sockets
---@field follow? boolean         GET and HEAD: follow redirects that stay at the same origin, 5 at most
---@field proxy? string           an address, "" for none; nil: as the environment says (NO_PROXY too)
---@field unix_socket? string     path of the socket
---@field ca_file? string         PEM file or hashed directory instead of the system's
---@field client_cert? string     PEM
---@field client_key? string      PEM

--- Queues a request; the first byte goes out in `pool:poll`. A URL that cannot be used, or a
--- header with a line break in it, is an error of kind `config`; wrong Lua types raise.
---@param options pyroscope.http.options
---@return pyroscope.http.request? request
---@return pyroscope.error? err
function pool:send(options) end

--- Moves everything forward until a request has finished, a descriptor is ready, or the time is
--- over; nil waits as long as something is in flight. `fds[fd]` says what is waited for there.
--- A request is returned by one call only, and its `state` tells everybody else. A descriptor
--- whose other end has gone is ready for reading (its reader sees the end).
---@param seconds? number
---@param fds? table<integer, "r"|"w"|"rw">
---@return pyroscope.http.request[] finished   cancelled ones are not among them
---@return table<integer, "r"|"w"|"rw"> ready  empty when none is
function pool:poll(seconds, fds) end

--- Cancels everything and closes all connections; twice is fine.
function pool:close() end

---@class pyroscope.http.request
---@field state "queued"|"running"|"done"|"failed"|"cancelled"
---@field url string              origin and path: what may be shown
---@field received integer        bytes of the body so far, after inflating
---@field wire integer            bytes of the body so far, as they came
---@field expected? integer       bytes of the body on the wire, where the server said so
---@field sent integer            bytes of the body sent
---@field elapsed number          seconds since `send`, until the end
local request = {}

--- The answer, whatever its status, or why there is none; raises while the request is not finished.
--- The same table every time. Errors: see below.
---@return pyroscope.http.response? response
---@return pyroscope.http.error? err
function request:response() end

--- Ends it now: state "cancelled", `response()` gives an error of that kind. Too late is fine.
function request:cancel() end

---@class pyroscope.http.response
---@field status integer
---@field headers table<string, string>   lower-case names; repeated ones joined by ", "
---@field body pyroscope.body             inflated; the caller may close it early
---@field url string                      origin and path asked last
---@field redirect? string                3xx: where it leads, origin and path only
---@field version string                  "1.0", "1.1", "2", "3"
---@field elapsed number                  seconds, waiting in the pool included
---@field wire integer                    bytes of the body as they came
---@field connections integer             connections that had to be opened for it

--- kind          code
--- `unreachable` "refused", "dns", "no_route", "no_socket", "connect_timeout", "reset" (closed before an
---               answer), "tls", "proxy", "network"
--- `timeout`     "total", "silent"
--- `limit`       "max_bytes", "headers"
--- `http`        "cut_off" (`received` and, where known, `expected` bytes on the wire), "bad_encoding", "protocol"
--- `config`      "bad_url", "bad_header", "ca_file", "client_cert"
--- `cancelled`   "cancelled"
--- `retryable` is true for "connect_timeout", "reset", and a body that a reset cut off.
---@class pyroscope.http.error: pyroscope.error
---@field received? integer
---@field expected? integer
---@field ca? string              "tls", "ca_file": what certificates are checked against

return http
