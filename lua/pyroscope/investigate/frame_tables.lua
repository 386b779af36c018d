--- What is known of names, by runtime: Lua patterns, tried in order on names as `frames.normalise`
--- gives them (JVM names with dots for slashes). Data: add rows to teach other names.

local tables = {}

-- Packages of Go's standard library: the first element of an import path.
tables.go_standard = {}
for word in ([[archive arena bufio builtin bytes cmp compress container context crypto database
  debug embed encoding errors expvar flag fmt go hash html image index internal io iter log maps
  math mime net os path plugin reflect regexp runtime slices sort strconv strings structs sync
  syscall testing text time unicode unique unsafe vendor weak]]):gmatch "%S+" do
  tables.go_standard[word] = true
end

-- Tried in the order library, profiler, runtime, more_library.
tables.roles = {
  go = {
    library = {
      "^runtime/pprof%.Do$", "^runtime/pprof%.Do%.", "^runtime/pprof%.SetGoroutineLabels",
      "^runtime/pprof%.WithLabels", "^runtime/pprof%.Labels?$", "^runtime/pprof%.ForLabels",
      "%.TagWrapper$", "%.TagWrapper%.",
    },
    profiler = {
      "^runtime/pprof%.", "^net/http/pprof%.", "godeltaprof", "^runtime%.goroutineProfile",
      "^runtime%.pprof_", "^github%.com/grafana/pyroscope%-go[%./]",
      "^github%.com/pyroscope%-io/client[%./]", "^cloud%.google%.com/go/profiler%.",
      "dd%-trace%-go.*/profiler%.",
    },
    runtime = {
      "^runtime%.", "^runtime/internal/", "^internal/runtime/", "^internal/bytealg%.", "^sync%.",
      "^internal/sync%.", "^sync/atomic%.", "^type[:%.]", "^go:", "^go%.", "^_cgo", "^_rt0",
    },
    more_library = { "^golang%.org/x/", "^google%.golang%.org/", "^vendor/" },
  },
  jvm = {
    library = { "^io%.pyroscope%.labels%.", "^io%.pyroscope%.vendor%.labels" },
    profiler = { "^one%.profiler%.", "^io%.pyroscope%.", "^jdk%.jfr%.", "asyncProfiler",
      "^libpyroscope", "AsyncGetCallTrace", "^com%.datadog%.profiling%.", "^Profiler::" },
    runtime = { "^lib[%w_%-%.]*%.so", "^ld%-", "::", "^%[", "^%.", "^[^%.]*$",
      "_%[k%]$", "^GCTaskThread", "^Shenandoah", "^ZGC", "^C[12] ", "^Interpreter" },
    more_library = { "^java%.", "^javax%.", "^jdk%.", "^sun%.", "^com%.sun%.", "^kotlin%.",
      "^kotlinx%.", "^scala%.", "^groovy%.", "^jakarta%." },
  },
  node = {
    profiler = { "@pyroscope/nodejs", "@datadog/pprof", "pyroscope%-nodejs/",
      "node_modules/pprof/", "pprof%-nodejs/" },
    runtime = { "^:?%(program%)", "^:?%(garbage collector%)", "^:?%(idle%)", "^:?%(root%)",
      "^:?%(external%)", "^:?%(non%-library", "^v8::", "^node::", "^uv_" },
    more_library = { "^node:", "^internal/", "node_modules/", "^processTimers$", "^listOnTimeout$",
      "^processTicksAndRejections$", "^runMicrotasks$", "^runNextTicks$", "^processImmediate$",
      "^emitInitScript$", "^emitBeforeScript$", "^emitAfterScript$", "^pushAsyncContext$",
      "^popAsyncContext$", "^nextTick$", "^onceWrapper$", "^parserOnHeadersComplete$",
      "^parserOnMessageComplete$", "^resOnFinish$", "^afterWriteTick$", "^callbackTrampoline$" },
  },
  python = {
    profiler = { "pyroscope[/%.]", "^py_spy", "^memray" },
    runtime = { "^<native>", "^gc_collect", "^_?Py[A-Z_]", "^_Py", "^_?PyEval",
      "^lib[%w_%-%.]*%.so",
      "^%[", "^__libc", "^clone3?$", "^start_thread$", "^pthread_" },
    more_library = { "lib/python[%d%.]+/", "site%-packages/", "dist%-packages/", "^<frozen ",
      "^threading%.py", "^socketserver%.py", "^selectors%.py", "^socket%.py", "^ssl%.py",
      "^queue%.py", "^json/", "^asyncio/", "^concurrent/", "^http/", "^urllib/", "^logging/",
      "^email/", "^re/", "^re%.py", "^sre_%w+%.py", "^encodings/", "^contextlib%.py",
      "^functools%.py", "^subprocess%.py", "^copy%.py", "^random%.py", "^decimal%.py",
      "^collections/", "^importlib/", "^multiprocessing/", "^runpy%.py", "^typing%.py" },
  },
  dotnet = {
    profiler = { "^Pyroscope[%.!]", "^Datadog%.", "^Datadog!" },
    runtime = { "gc_heap", "^WKS::", "^SVR::", "^libcoreclr", "^coreclr", "^clr!", "^libclrjit",
      "^libc[%.!]", "^%[", "^|lm:%[", "^lib[%w_%-%.]*%.so", "::", "^[^%.!]*$" },
    more_library = { "^System[%.!]", "^Microsoft[%.!]", "^|lm:System", "^|lm:Microsoft",
      "^mscorlib[%.!]", "^netstandard!", "^Interop[%.!/]", "^Internal%." },
  },
  ruby = {
    profiler = { "pyroscope", "stackprof", "vernier" },
    runtime = { "^%(garbage collection%)", "^%(marking%)", "^%(sweeping%)", "^<cfunc>", "^<GC>",
      "^%[", "^rb_", "^vm_", "^gc_" },
    more_library = { "lib/ruby/", "/gems/", "^Integer[#%.]", "^Float[#%.]", "^Array[#%.]",
      "^Hash[#%.]", "^String[#%.]", "^Symbol[#%.]", "^Kernel[#%.]", "^Enumer%w+[#%.:]",
      "^Range[#%.]", "^IO[#%.]", "^File[#%.]", "^Dir[#%.]", "^Thread[#%.:]", "^Mutex[#%.]",
      "^Process[#%.]", "^Proc[#%.]", "^Class[#%.]", "^Module[#%.]", "^Object[#%.]",
      "^BasicObject[#%.]", "^Regexp[#%.]", "^Comparable[#%.]", "^Struct[#%.]", "^Set[#%.]",
      "^JSON[:#%.]", "^Net::", "^Monitor[#%.]", "^Fiber[#%.]", "^Time[#%.]" },
  },
  rust = {
    profiler = { "^pprof::", "^pyroscope", "pprofrs" },
    runtime = { "^%[", "^__", "^_start", "^start_thread", "^clone3?$", "^entry_SYSCALL", "^do_sys",
      "^lib[%w_%-%.]*%.so", "^malloc$", "^free$", "^realloc$", "^calloc$", "^mem%a+$", "^str%a+$",
      "^pthread_", "^epoll_", "^syscall", "^je_", "^_rjem", "^mi_", "^rust_begin",
      "^__rust", "^___rust", "^0x$", "^_int_", "^futex" },
    more_library = { "^<?&?&?m?u?t? ?std::", "^<?&?core::", "^<?&?alloc::", "^hashbrown::",
      "^<[%w_:<>, &%[%]]+ as core::", "^<[%w_:<>, &%[%]]+ as alloc::",
      "^<[%w_:<>, &%[%]]+ as std::", "^tokio::", "^<tokio::", "^mio::", "^backtrace::" },
  },
  native = {
    profiler = {},
    runtime = { "^%[", "^__", "^_start", "^start_thread", "^clone3?$", "^entry_SYSCALL", "^do_sys",
      "^lib[%w_%-%.]*%.so", "^ld%-", "^malloc$", "^free$", "^realloc$", "^calloc$",
      "^pthread_", "^je_", "^mi_", "^tc_", "^0x$", "^_int_", "^futex", "^operator new",
      "^operator delete" },
    more_library = { "^std::", "^boost::", "^absl::", "^__gnu_cxx::" },
  },
}

-- Waits, from the leaf upwards. `weak`: a stronger one a few frames above wins.
tables.waits = {
  go = {
    { "chan_send", "^runtime%.chansend" }, { "chan_recv", "^runtime%.chanrecv" },
    { "select", "^runtime%.selectgo" }, { "select", "^runtime%.block$" },
    { "lock", "^sync%.%(%*Mutex%)%.[Ll]ock" }, { "lock", "^internal/sync%.%(%*Mutex%)%.[Ll]ock" },
    { "lock", "^sync%.%(%*RWMutex%)%.R?[Ll]ock" },
    { "lock", "^sync%.%(%*R?W?Mutex%)%.R?U?n?[Uu]nlock" },
    { "lock", "^internal/sync%.%(%*Mutex%)%.[Uu]nlock" },
    { "lock", "^internal/poll%.%(%*fdMutex%)%.rwlock" }, { "lock", "^runtime%.unlock" },
    { "waitgroup", "^sync%.%(%*WaitGroup%)%.Wait" }, { "waitgroup",
    "^sync%.runtime_Sem.*WaitGroup" },
    { "cond", "^sync%.%(%*Cond%)%.Wait" },
    { "io", "^internal/poll%.runtime_pollWait" }, { "io", "^syscall%." },
    { "io", "^internal/runtime/syscall" }, { "io", "^runtime%.netpollblock" },
    { "sleep", "^time%.Sleep" }, { "sleep", "^runtime%.timeSleep" },
    { "idle", "^os/signal%." }, { "idle", "^runtime%.gcBgMarkWorker" },
    { "idle", "^runtime%.bgsweep" }, { "idle", "^runtime%.bgscavenge" },
    { "idle", "^runtime%.forcegchelper" }, { "idle", "^runtime%.runfinq" },
    { "idle", "^runtime%.runFinalizers" }, { "idle", "^runtime%.runCleanups" },
    { "idle", "^runtime%.ensureSigM" },
  },
  jvm = {
    { "chan_recv", "Queue%.take" }, { "chan_recv", "Deque%.take" }, { "chan_recv", "Queue%.poll" },
    { "chan_recv", "Deque%.poll" }, { "chan_send", "Queue%.put" }, { "chan_send", "Queue%.offer" },
    { "chan_send", "Deque%.put" }, { "chan_recv", "TransferQueue%.xfer" },
    { "lock", "ObjectMonitor::enter" }, { "lock", "pthread_mutex_lock" },
    { "waitgroup", "CountDownLatch%.await" }, { "waitgroup", "CyclicBarrier%." },
    { "waitgroup", "CompletableFuture%.get" }, { "waitgroup", "CompletableFuture%.join" },
    { "waitgroup", "FutureTask%.get" }, { "waitgroup", "Thread%.join" },
    { "lock", "Semaphore%.acquire" }, { "lock", "ReentrantLock%.lock" },
    { "lock", "ReentrantReadWriteLock%$%w+%.lock" }, { "lock", "StampedLock%." },
    { "lock", "AbstractQueuedSynchronizer%.acquire", weak = true },
    { "cond", "Condition%w*%.await", weak = true }, { "cond", "java%.lang%.Object%.wait",
    weak = true },
    { "cond", "pthread_cond_%w*wait", weak = true },
    { "io", "epoll_wait" }, { "io", "^sun%.nio%.ch%." }, { "io", "socketRead" }, { "io",
    "%.recv" },
    { "io", "^recv" }, { "io", "SocketInputStream" }, { "io", "^poll$" }, { "io", "%.accept0?$" },
    { "sleep", "java%.lang%.Thread%.sleep" }, { "sleep", "nanosleep" },
    { "lock", "futex_wait", weak = true },
    { "idle", "ThreadPoolExecutor%.getTask" }, { "idle", "ForkJoinPool%.awaitWork" },
    { "idle", "ForkJoinPool%.runWorker" }, { "idle", "ReferenceQueue%.remove" },
    { "idle", "Reference%$ReferenceHandler" },
  },
  native = {
    { "lock", "pthread_mutex_lock" }, { "lock", "lll_lock_wait" }, { "lock",
    "ObjectMonitor::enter" },
    { "lock", "parking_lot.*lock_slow" }, { "lock", "Mutex.*::lock" },
    { "lock", "Monitor%.Enter" }, { "lock", "Monitor%.ReliableEnter" },
    { "cond", "pthread_cond_%w*wait", weak = true }, { "cond", "Monitor%.Wait", weak = true },
    { "cond", "WaitHandle%.WaitOne", weak = true },
    { "waitgroup", "Task%.Wait" }, { "waitgroup", "Task%.GetResult" }, { "waitgroup",
    "Thread%.Join" },
    { "waitgroup", "thread.*::join" },
    { "io", "epoll_p?wait" }, { "io", "^recv" }, { "io", "%.recv" }, { "io", "^__?poll" },
    { "io", "^poll$" },
    { "io", "^select$" }, { "io", "^accept4?$" }, { "io", "Socket.*Receive" }, { "io",
    "EpollWait" },
    { "sleep", "nanosleep" }, { "sleep", "Thread%.Sleep" }, { "sleep", "^sleep$" },
    { "lock", "futex_wait", weak = true },
  },
}

-- Waits of these classes are idle in loops with nothing to do: where the stack holds one of `idle`,
-- or where the innermost app frame is one of `idle_site`.
tables.may_idle = { io = true, select = true, chan_recv = true }
tables.idle = {
  go = {
    "^internal/poll%.%(%*FD%)%.Accept$", "^net%.%(%*%w+Listener%)%.[Aa]ccept",
    "^net/http%.%(%*connReader%)%.backgroundRead$", "^net/http%.%(%*persistConn%)%.readLoop$",
    "^net/http%.%(%*persistConn%)%.writeLoop$", "http2clientConnReadLoop",
    "^golang%.org/x/net/http2%.%(%*clientConnReadLoop%)",
    "^golang%.org/x/net/http2%.%(%*serverConn%)%.serve$",
    "^golang%.org/x/net/http2%.%(%*serverConn%)%.readFrames$",
    "^database/sql%.%(%*DB%)%.connectionOpener$", "^database/sql%.%(%*DB%)%.connectionCleaner$",
    "^os/signal%.", "^google%.golang%.org/grpc.*loopyWriter%)%.run$",
    "^google%.golang%.org/grpc.*HandleStreams$", "^google%.golang%.org/grpc.*keepalive$",
    "^google%.golang%.org/grpc.*serverWorker$", "^go%.opencensus%.io/stats/view", "flushDaemon$",
  },
  jvm = { "ThreadPoolExecutor%.getTask$", "ForkJoinPool%.awaitWork$", "ReferenceQueue%.remove$",
    "DelayedWorkQueue%.take$", "SingleThreadEventExecutor%.takeTask$", "Acceptor%.accept",
    "ServerSocket%.accept", "ServerSocketChannelImpl%.accept", "TimerThread%.mainLoop$" },
  native = { "PortableThreadPool", "^uv__io_poll$" },
}
tables.idle_site = {
  go = { "[Ww]orkers?$", "[Ww]orkers?%.func$", "[Ll]oop$", "[Ll]oop%.func$", "[Tt]icker%w*$",
    "Daemon$", "%.listen%w*$", "%.[Aa]ccept%w*$", "[Jj]anitor%w*$", "[Rr]eaper%w*$", "[Cc]leaner$",
    "[Kk]eep[Aa]live$" },
  jvm = { "NioEventLoop%.", "EpollEventLoop%.", "Acceptor%.run$", "Poller%.run$",
    "ManagedSelector", "Selector%.poll$" },
  native = { "[Ww]orker%w*$", "[Ww]orker_?%a*::run$", "event_loop" },
}
-- So is a loop whose first frame waits itself: in a select, or for the next item of a channel.
tables.root_loop = { go = { ["runtime.selectgo"] = true, ["runtime.chanrecv2"] = true } }
-- Wrappers that a compiler puts below a new thread of work; the frame above is the first.
tables.wrapper = { go = "%.gowrap%d*$" }

tables.gc = {
  go = { gc = { "^runtime%.gcBgMarkWorker", "^runtime%.gcAssistAlloc", "^runtime%.gcDrain",
    "^runtime%.bgsweep" }, alloc = { "^runtime%.mallocgc" } },
  jvm = { gc = { "^GCTaskThread", "^G1%u", "^ZGC", "^Z%u%w+::", "^Shenandoah",
    "%.so%.GCTaskThread",
    "%.so%.G1%u", "%.so%.Z%u%w+::", "%.so%.Shenandoah", "^PSPromotionManager",
    "%.so%.PS%u%w+::" } },
  dotnet = { gc = { "gc_heap", "^WKS::", "^SVR::" } },
  python = { gc = { "^gc_collect" } },
  node = { gc = { "Scavenger", "MarkCompact", "%(garbage collector%)" } },
  ruby = { gc = { "^%(garbage collection%)", "^%(marking%)", "^%(sweeping%)" } },
}

-- What names of a runtime look like, for `frames.runtime`: pattern, weight of a vote.
tables.looks = {
  { "go", { { "^runtime%.%a", 3 }, { "%.%(%*[%w_]+%)%.", 2 }, { "^main%.main$", 3 },
    { "^%w[%w%-]*%.%a[%w%.%-]*/[^:]*%.%a[%w_]*$", 1 }, { "%.func%d", 1 },
    { "/[a-z][%w_%-]*%.[%w_]+$", 1 },
    { "^sync%.", 1 }, { "^aeshashbody$", 1 }, { "^memeqbody$", 1 } } },
  { "jvm", { { "^javax?[/%.]", 3 }, { "^jdk[/%.]", 3 }, { "^sun[/%.]", 2 }, { "^kotlinx?[/%.]",
  2 },
    { "^scala[/%.]", 2 }, { "/%u[%w_%$]*%.[%w_%$<>]+$", 2 }, { "^libjvm%.so", 3 },
    { "^%l+%.%l[%l%d%.]*%.%u[%w_%$]*%.[%w_%$<>]+$", 2 } } },
  { "node", { { "^:?%(program%)", 3 }, { "^:?%(garbage collector%)", 3 }, { "^:?%(idle%)", 3 },
    { "^node:", 3 }, { "%.[cm]?[jt]sx?:", 2 }, { "node_modules/", 3 }, { "^processTimers$", 2 },
    { "^listOnTimeout$", 2 }, { "^runMicrotasks$", 2 }, { "^processTicksAndRejections$", 2 },
    { "^%(anonymous%)$", 1 } } },
  { "python", { { "%.pyx?:", 3 }, { "%.py$", 2 }, { "%(.*%.py", 2 }, { "^<module>", 3 },
    { "^<listcomp>", 2 }, { "^<lambda>$", 1 }, { "^<genexpr>", 2 }, { "^<native>", 2 },
    { "site%-packages", 3 }, { "^_PyEval", 3 } } },
  { "dotnet", { { "^System%.[%w%.]+!", 3 }, { "^System%.%u", 2 }, { "^Microsoft%.%u", 2 },
    { "`%d", 1 }, { "%.%.ctor$", 2 }, { "^|lm:", 3 }, { "!%u[%w%.]+%.", 1 }, { "gc_heap", 2 } } },
  { "ruby", { { "%.rb[:%s]", 3 }, { "%.rb$", 3 }, { "^%u%w*#%l", 2 }, { "^block in ", 3 },
    { "^rescue in ", 3 }, { "^<main>", 2 }, { "^%(sweeping%)", 3 }, { "^%u[%w:]*#[%w_]+[%?!=]?$",
    1 } } },
  { "rust", { { "^<?core::", 3 }, { "^<?alloc::", 3 }, { "^std::rt::", 4 }, { "^std::panic", 4 },
    { "^tokio::", 3 }, { "{{closure}}", 3 }, { "{closure", 2 }, { "^std::thread::", 1 },
    { "^<.* as .*>::", 2 }, { "%l::%l[%w_]*$", 1 } } },
  { "native", { { "::", 1 }, { "^__libc_start", 2 }, { "^std::__", 2 }, { "%(.*%)$", 1 } } },
}

return tables
