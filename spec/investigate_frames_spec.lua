-- What names tell: tables of names seen in profiles, and what must hold for every name.

local frames = require "pyroscope.investigate.frames"
local pyroscope = require "pyroscope"

-- What a server does to Go names: type parameters in brackets go, balanced.
local function as_server(name)
  return (name:gsub("%b[]", function(brackets)
    return brackets:sub(1, 10) == "[go.shape." and "" or nil
  end))
end

local NORMALISED = {
  -- Go
  ["slices.Grow[go.shape.[]math/big.Word,go.shape.uint]"] = "slices.Grow",
  ["sync/atomic.(*Pointer[go.shape.struct { net/http.conn *net/http.conn; buf [29]uint8 }]).Store"] =
    "sync/atomic.(*Pointer).Store",
  ["internal/sync.(*HashTrieMap[...]).Load"] = "internal/sync.(*HashTrieMap).Load",
  ["main.Map[...]"] = "main.Map", ["main.Map[string,int]"] = "main.Map",
  ["main.(*Tree[int]).Walk.func1"] = "main.(*Tree).Walk.func",
  ["crypto/hmac.New.UnwrapNew[go.shape.interface { Sum([]uint8) []uint8 }].func1"] =
    "crypto/hmac.New.UnwrapNew.func",
  ["shop.example/checkout/agent.Run.func1.2"] = "shop.example/checkout/agent.Run.func",
  ["shop.example/checkout/agent.Run.func1.2.3"] = "shop.example/checkout/agent.Run.func",
  ["shop.example/checkout/agent.Run.func3.func1"] = "shop.example/checkout/agent.Run.func",
  ["main.glob..func7"] = "main.glob..func", ["main.init.0.func2"] = "main.init.func",
  ["main.Start.gowrap2"] = "main.Start.gowrap", ["main.Start.func2.gowrap1"] = "main.Start.func.gowrap",
  ["main.Start.deferwrap1"] = "main.Start.deferwrap", ["main.All-range1"] = "main.All-range",
  ["runtime.(*sweepLocked).sweep.(*mheap).freeSpan.func2"] =
    "runtime.(*sweepLocked).sweep.(*mheap).freeSpan.func",
  ["github.com/acme/lib/v2.Do"] = "github.com/acme/lib.Do",
  ["github.com/acme/lib/v12/sub.(*T).Do"] = "github.com/acme/lib/sub.(*T).Do",
  ["github.com/acme/lib@v1.2.3/sub.Do"] = "github.com/acme/lib/sub.Do",
  ["github.com/acme/lib@v1.2.3-0.20240101000000-abcdefabcdef/sub.Do"] = "github.com/acme/lib/sub.Do",
  ["github.com/acme/lib@v1.2.3.Do"] = "github.com/acme/lib.Do",
  ["k8s.io/api/core/v1.(*Pod).Marshal"] = "k8s.io/api/core/v1.(*Pod).Marshal",
  ["net/http.(*conn).serve"] = "net/http.(*conn).serve",
  ["main.function"] = "main.function", ["main.func1helper"] = "main.func1helper",
  -- Rust and C++
  ["core::ptr::drop_in_place::h0123456789abcdef"] = "core::ptr::drop_in_place",
  ["<alloc::vec::Vec<T> as core::ops::Drop>::drop::h0123456789abcdef"] =
    "<alloc::vec::Vec<T> as core::ops::Drop>::drop",
  ["app::run::{closure#0}"] = "app::run::{closure}",
  ["core[846817f741e54dfd]::slice::sort"] = "core::slice::sort",
  ["app::handler::help"] = "app::handler::help",
  ["do_work.isra.0"] = "do_work", ["do_work.part.3.constprop.1"] = "do_work", ["do_work.cold"] = "do_work",
  ["do_work(int) [clone .isra.0] [clone .cold]"] = "do_work(int)",
  ["libfoo.so+0x1234af"] = "libfoo.so+0x", ["0x7f0012345678"] = "0x",
  -- JVM
  ["com/acme/Cart$$Lambda$123/0x0000000800c03000.apply"] = "com/acme/Cart$$Lambda.apply",
  ["com/acme/Cart$$Lambda_.apply"] = "com/acme/Cart$$Lambda.apply",
  ["com.acme.Cart$$Lambda$14.apply"] = "com.acme.Cart$$Lambda.apply",
  ["com/acme/Cart$$Lambda/0x0000000800c03000.apply"] = "com/acme/Cart$$Lambda.apply",
  ["java/lang/invoke/LambdaForm$MH.0x000000080157a000.linkToTargetMethod"] =
    "java/lang/invoke/LambdaForm$MH.linkToTargetMethod",
  ["jdk/proxy2/$Proxy12.invoke"] = "jdk/proxy2/$Proxy.invoke",
  ["jdk/internal/reflect/GeneratedMethodAccessor12.invoke"] =
    "jdk/internal/reflect/GeneratedMethodAccessor.invoke",
  ["com/acme/Cart.lambda$price$3"] = "com/acme/Cart.lambda$price",
  ["com/acme/Cart$$EnhancerBySpringCGLIB$$1a2b3c4d.price"] = "com/acme/Cart$$EnhancerBySpringCGLIB.price",
  ["kafka/log/Log.$anonfun$append$2"] = "kafka/log/Log.$anonfun$append",
  ["java/lang/String.hashCode_[j]"] = "java/lang/String.hashCode", ["java/lang/Object[]"] = "java/lang/Object[]",
  -- .NET
  ["Shop!Shop.Cart+<>c__DisplayClass12_0.<Price>b__0"] = "Shop!Shop.Cart+<>c__DisplayClass.<Price>b__",
  ["Shop!Shop.Cart+<Price>d__12.MoveNext"] = "Shop!Shop.Cart+<Price>d__.MoveNext",
  ["System.Collections.Generic.List`1[System.__Canon].Add"] =
    "System.Collections.Generic.List`1[System.__Canon].Add",
  -- scripts
  ["app/server.py:handle - 12"] = "app/server.py:handle", ["handle (app/server.py:12)"] =
    "handle (app/server.py)", ["app/server.py:12 handle"] = "app/server.py handle",
  ["./dist/app.js:handler:42"] = "./dist/app.js:handler", ["node:net:Socket:365"] = "node:net:Socket",
  ["./src/app.ts:(anonymous):7"] = "./src/app.ts:(anonymous)",
  ["app/models/cart.rb:12 in price"] = "app/models/cart.rb in price",
  ["[unknown]"] = "[unknown]", [""] = "", ["main"] = "main",
}

local ROLES = {
  go = {
    runtime = { "", "runtime.mallocgc", "runtime.(*mheap).alloc", "internal/runtime/maps.(*Map).grow",
      "internal/bytealg.Count", "sync.(*Mutex).Lock", "internal/sync.(*Mutex).lockSlow",
      "sync/atomic.AddInt64", "memeqbody", "aeshashbody", "gcWriteBarrier", "runtime.main",
      "type:.eq.main.Key" },
    profiler = { "runtime/pprof.StartCPUProfile", "runtime/pprof.(*Profile).WriteTo",
      "github.com/grafana/pyroscope-go/godeltaprof.(*HeapProfiler).Profile",
      "github.com/grafana/pyroscope-go.(*Session).uploadData", "net/http/pprof.Index",
      "github.com/pyroscope-io/client/upstream/remote.(*Remote).handleJobs" },
    library = { "net/http.(*conn).serve", "fmt.Fprintf", "encoding/json.Marshal", "runtime/pprof.Do",
      "runtime/pprof.Do.func1", "runtime/debug.FreeOSMemory", "vendor/golang.org/x/net/http2/hpack.New",
      "golang.org/x/sync/errgroup.(*Group).Go.func1", "syscall.Syscall", "internal/poll.(*FD).Read",
      "time.Sleep", "github.com/grafana/pyroscope-go.TagWrapper",
      "github.com/pyroscope-io/client/pyroscope.TagWrapper.func1", "container/heap.Push",
      "slices.SortFunc[go.shape.struct { shop.example/x.K int }]" },
    app = { "main.main", "main.(*Cart).price", "shop.example/checkout/cart.(*Rules).Price",
      "github.com/klauspost/compress/flate.(*Writer).Close", "checkout/cart.Price",
      "main.foo[github.com/x/y.T]", "shop.(*Cart).checkout", "main._Cfunc_work", "rocksdb::DB::Get" },
  },
  jvm = {
    runtime = { "libjvm.so.G1CMTask::do_marking_step", "libpthread-2.31.so.start_thread", "GCTaskThread::run",
      ".unknown", ".vtable stub", "CompileBroker::compiler_thread_loop", "Interpreter", "[unknown]",
      "entry_SYSCALL_64_[k]" },
    profiler = { "one/profiler/AsyncProfiler.execute0", "io/pyroscope/javaagent/Profiler.start",
      "jdk/jfr/internal/PlatformRecorder.takeNap", "libasyncProfiler-linux-x64-5.so.Profiler::start" },
    library = { "java/util/HashMap.get", "java.lang.Thread.run", "jdk/internal/misc/Unsafe.park",
      "sun/nio/ch/EPoll.wait", "kotlin/collections/CollectionsKt.map", "scala/Option.map",
      "com/sun/jmx/mbeanserver/Repository.retrieve", "io/pyroscope/labels/Pyroscope$LabelsWrapper.run" },
    app = { "kafka/log/Log.append", "com/acme/Cart.price", "org/apache/kafka/clients/NetworkClient.poll" },
  },
  node = {
    runtime = { "(program)", "(garbage collector)", "(idle)", ":(idle):0", ":(external):0" },
    library = { "node:net:Socket:365", "node:internal/timers:processTimers", "listOnTimeout",
      "./node_modules/express/lib/express.js:app" },
    app = { "(anonymous)", "priceLines", "./src/cart.js:price", "_write" },
  },
  python = {
    runtime = { "<native>", "gc_collect_main", "_PyEval_EvalFrameDefault" },
    library = { "/usr/lib/python3.11/json/decoder.py:decode", "threading.py:run",
      "/app/venv/lib/python3.11/site-packages/flask/app.py:dispatch" },
    app = { "app/server.py:handle", "<module>", "handle" },
  },
  dotnet = {
    runtime = { "WKS::gc_heap::mark_phase", "SVR::GCHeap::Alloc", "libcoreclr.so!memcpy" },
    library = { "System.Private.CoreLib!System.Threading.Monitor.Wait", "System.String.Concat",
      "Microsoft.AspNetCore.Server.Kestrel.Core!Http.Process" },
    app = { "Shop!Shop.Cart.Price", "Shop.Cart.Price" },
  },
  ruby = {
    runtime = { "(garbage collection)", "(sweeping)" },
    library = { "Integer#times", "Array#each", "Kernel#loop", "/usr/lib/ruby/3.1.0/json.rb parse",
      "/srv/gems/rack-2.2/lib/rack.rb call" },
    app = { "Cart#price", "app/cart.rb price" },
  },
  rust = {
    runtime = { "__libc_start_main", "malloc", "[vdso]", "memcpy" },
    library = { "core::ptr::drop_in_place", "std::rt::lang_start", "<alloc::vec::Vec<T> as core::ops::Drop>::drop",
      "tokio::runtime::task::poll", "<F as core::future::Future>::poll" },
    app = { "shop::cart::price", "main" },
  },
}

local WAITS = {
  { "go", "chan_send", "main.await;runtime.chansend1;runtime.chansend;runtime.gopark", 3 },
  { "go", "chan_recv", "main.main;main.get;runtime.chanrecv1;runtime.chanrecv;runtime.gopark", 4 },
  { "go", "chan_recv", "main.await;runtime.chanrecv1;runtime.chanrecv;runtime.gopark", 3 },
  { "go", "select", "main.main;main.acquire;runtime.selectgo;runtime.gopark", 3 },
  { "go", "select", "main.main;runtime.block;runtime.gopark", 2 },
  { "go", "lock", "main.a;sync.(*Mutex).Lock;internal/sync.(*Mutex).Lock;internal/sync.(*Mutex).lockSlow;"
    .. "internal/sync.runtime_SemacquireMutex;runtime.semacquire1;runtime.gopark", 4 },
  { "go", "lock", "main.a;sync.(*RWMutex).RLock;runtime.gopark", 2 },
  { "go", "waitgroup", "main.a;sync.(*WaitGroup).Wait;sync.runtime_SemacquireWaitGroup;runtime.gopark", 3 },
  { "go", "cond", "main.a;sync.(*Cond).Wait;sync.runtime_notifyListWait;runtime.gopark", 2 },
  { "go", "io", "main.handle;net.(*conn).Read;internal/poll.runtime_pollWait;runtime.gopark", 3 },
  { "go", "sleep", "main.main;time.Sleep;runtime.gopark", 2 },
  { "go", "idle", "net/http.(*Server).Serve;net.(*TCPListener).Accept;internal/poll.(*FD).Accept;"
    .. "internal/poll.runtime_pollWait;runtime.gopark" },
  { "go", "idle", "main.(*Queue).worker;runtime.chanrecv2;runtime.chanrecv;runtime.gopark" },
  { "go", "idle", "main.Start.gowrap1;main.consume;runtime.chanrecv2;runtime.chanrecv;runtime.gopark" },
  { "go", "idle", "main.flush;runtime.selectgo;runtime.gopark" },
  { "go", "idle", "main.(*Conn).readLoop;bufio.(*Reader).Read;internal/poll.runtime_pollWait" },
  { "go", "select", "main.(*Queue).worker;main.(*DB).acquire;runtime.selectgo;runtime.gopark", 3 },
  { "go", "chan_send", "main.(*Queue).worker;runtime.chansend1;runtime.gopark", 2 },
  { "go", "idle", "runtime.gcBgMarkWorker;runtime.gopark" },
  { "go", "unknown", "main.main;main.compute" }, { "go", "unknown", "" },
  { "jvm", "chan_recv", "com/acme/Q.next;java/util/concurrent/LinkedBlockingQueue.take;"
    .. "java/util/concurrent/locks/AbstractQueuedSynchronizer$ConditionObject.await;"
    .. "java/util/concurrent/locks/LockSupport.park;jdk/internal/misc/Unsafe.park", 2 },
  { "jvm", "idle", "java/util/concurrent/ThreadPoolExecutor.runWorker;"
    .. "java/util/concurrent/ThreadPoolExecutor.getTask;java/util/concurrent/LinkedBlockingQueue.take;"
    .. "java/util/concurrent/locks/LockSupport.park" },
  { "jvm", "cond", "com/acme/C.wait;java/util/concurrent/locks/AbstractQueuedSynchronizer$ConditionObject.await;"
    .. "java/util/concurrent/locks/LockSupport.park", 2 },
  { "jvm", "waitgroup", "com.acme.C.run;java.util.concurrent.CountDownLatch.await;"
    .. "java.util.concurrent.locks.AbstractQueuedSynchronizer.acquireSharedInterruptibly", 2 },
  { "jvm", "lock", "com/acme/C.run;java/util/concurrent/locks/AbstractQueuedSynchronizer.acquire;"
    .. "java/util/concurrent/locks/LockSupport.park", 2 },
  { "jvm", "lock", "com/acme/C.run;libjvm.so.ObjectMonitor::enter;libpthread.so.pthread_cond_wait", 2 },
  { "jvm", "io", "com/acme/C.run;sun/nio/ch/SocketChannelImpl.read;libc.so.read", 2 },
  { "jvm", "sleep", "com/acme/C.run;java/lang/Thread.sleep", 2 },
  { "native", "lock", "main;work;pthread_mutex_lock;__lll_lock_wait", 4 },
  { "native", "io", "main;loop;epoll_wait", 3 }, { "rust", "sleep", "main;std::thread::sleep;nanosleep", 3 },
}

local PACKAGES = {
  { "net/http.(*conn).serve", "go", "net/http" }, { "main.main", "go", "main" },
  { "shop.example/checkout/cart.(*Rules).Price", "go", "shop.example/checkout/cart" },
  { "memeqbody", "go", "runtime" }, { "java/util/HashMap.get", "jvm", "java/util" },
  { "com.acme.Cart.price", "jvm", "com.acme" }, { "app/server.py:handle", "python", "app/server.py" },
  { "libc.so.6`read", "native", "libc.so.6" }, { "main", "native", "<none>" },
}

local GC = {
  { "runtime.gcBgMarkWorker.func2", "go", "gc" }, { "runtime.gcAssistAlloc1", "go", "gc" },
  { "runtime.gcDrainN", "go", "gc" }, { "runtime.bgsweep", "go", "gc" },
  { "runtime.mallocgcSmallNoscan", "go", "alloc" }, { "runtime.gopark", "go", nil },
  { "main.gcDrain", "go", nil }, { "GCTaskThread::run", "jvm", "gc" },
  { "libjvm.so.G1CMTask::do_marking_step", "jvm", "gc" }, { "com/acme/G1Driver.run", "jvm", nil },
  { "WKS::gc_heap::mark_phase", "dotnet", "gc" }, { "gc_collect_main", "python", "gc" },
  { "(garbage collector)", "node", "gc" }, { "runtime.mallocgc", nil, "alloc" },
  { "(garbage collector)", nil, "gc" },
}

local function names_of(text)
  local names = {}
  for name in text:gmatch "[^;]+" do names[#names + 1] = name end
  return names
end

describe("names of functions", function()
  it("are the same across builds and versions", function()
    for name, expected in pairs(NORMALISED) do
      assert.equal(expected, frames.normalise(name), name)
      assert.equal(expected, frames.normalise(expected), "twice: " .. name)
    end
  end)

  it("keep what a rule would change when it is switched off", function()
    assert.equal("main.Map[...].func", frames.normalise("main.Map[...].func1", { go_shapes = false }))
    assert.equal("main.Map.func1", frames.normalise("main.Map[...].func1", { go_closures = false }))
    assert.equal("a@v1.2.3/b.C", frames.normalise("a@v1.2.3/b.C", { module_version = false }))
    assert.has_error(function() frames.check_rules { closures = false } end)
  end)

  it("are whose the tables say, whatever form they come in", function()
    for runtime, roles in pairs(ROLES) do
      for role, names in pairs(roles) do
        for _, name in ipairs(names) do
          assert.equal(role, frames.role(name, runtime), runtime .. " " .. name)
          assert.equal(role, frames.role(frames.normalise(name), runtime), runtime .. " " .. name)
        end
      end
    end
    for _, alias in ipairs { { "golang", "go" }, { "java", "jvm" }, { "nodejs", "node" } } do
      for role, names in pairs(ROLES[alias[2]]) do
        assert.equal(role, frames.role(names[1], alias[1]))
      end
    end
  end)

  it("tell the runtime", function()
    for runtime, roles in pairs(ROLES) do
      local names = {}
      for _, list in pairs(roles) do table.move(list, 1, #list, #names + 1, names) end
      assert.equal(runtime, frames.runtime(names))
    end
    assert.equal("unknown", frames.runtime { "a", "b" })
    assert.equal("unknown", frames.runtime {})
    assert.equal("native", frames.runtime { "shop::Cart::price(int)", "__libc_start_main" })
  end)

  it("tell package and garbage collector", function()
    for _, row in ipairs(PACKAGES) do assert.equal(row[3], frames.package(row[1], row[2]), row[1]) end
    for _, row in ipairs(GC) do assert.equal(row[3], frames.gc(row[1], row[2]), row[1]) end
  end)

  it("may be anything, of any length", function()
    local hostile = { ("["):rep(200000), ("a.func1"):rep(30000), ("<a as "):rep(40000), ("$"):rep(100000),
      ("::h"):rep(50000), "\0\1\255", ("/v2"):rep(50000), ("x.py:1"):rep(30000), "%", "%b", "[", "]", ".func",
      ("(*"):rep(60000), (".0x1234"):rep(500) }
    local start = os.clock()
    for _, name in ipairs(hostile) do
      local once = frames.normalise(name)
      assert.equal(once, frames.normalise(once))
      assert.equal("string", type(frames.role(name)))
      for runtime in pairs(ROLES) do
        frames.role(name, runtime)
        frames.gc(name, runtime)
        frames.package(name, runtime)
        frames.wait_class({ name, name }, runtime)
      end
      frames.runtime { name }
    end
    assert.is_true(os.clock() - start < 10)
  end)
end)

describe("a stack", function()
  it("tells what it waits for, and where", function()
    for _, row in ipairs(WAITS) do
      local class, index = frames.wait_class(names_of(row[3]), row[1])
      assert.equal(row[2], class, row[3])
      if row[4] then assert.equal(row[4], index, row[3]) end
      if class == "unknown" then assert.is_nil(index) end
    end
  end)
end)

describe("names in recorded profiles", function()
  local function names_in(pattern)
    local pipe = assert(io.popen("ls " .. pattern .. " 2>/dev/null"))
    local seen, names = {}, {}
    for path in pipe:lines() do
      local profile = assert(pyroscope.load(path))
      for depth, name in profile:walk() do
        if depth > 0 and not seen[name] then
          seen[name] = true
          names[#names + 1] = name
        end
      end
      profile:close()
    end
    pipe:close()
    return names
  end

  local function check(names, runtime)
    assert.equal(runtime, frames.runtime(names))
    local roles = {}
    for _, name in ipairs(names) do
      local normal = frames.normalise(name)
      assert.equal(normal, frames.normalise(normal), name)
      assert.equal(normal, frames.normalise(as_server(name)), name)
      local role = frames.role(normal, runtime)
      assert.equal(role, frames.role(name, runtime), name)
      roles[role] = (roles[role] or 0) + 1
    end
    return roles
  end

  it("are the same from a file and from a server, with roles (Go)", function()
    local names = names_in "examples/data/cpu-hotspot/*/*/*.pb.gz"
    local roles = check(names, "go")
    assert.is_true(roles.app > 50 and roles.library > 200 and roles.runtime > 300 and roles.profiler > 3)
    for _, name in ipairs(names) do
      if name:find "^shop%.example/" then assert.equal("app", frames.role(name, "go")) end
      if name:find "^runtime%.%a" and not name:find "Profile" and not name:find "pprof" then
        assert.equal("runtime", frames.role(name, "go"))
      end
    end
  end)

  it("are those of their runtime in every incident", function()
    local dir = "../shared/data/incidents/"
    local list = io.open(dir .. "README.md")
    if not list then
      pending "needs ../shared: incidents"
      return
    end
    list:close()
    check(names_in(dir .. "node-hotspot/*/*/*.pb.gz"), "node")
    for _, name in ipairs { "rename", "goroutine-leak", "pool-exhausted" } do
      check(names_in(dir .. name .. "/*/*/*.pb.gz"), "go")
    end
  end)
end)
