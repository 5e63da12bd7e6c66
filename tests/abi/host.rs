//! A scriptable host for one VM.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::Duration;

use wasmi::{Engine, Extern, Func, Instance, Linker, Module, Store, Val, WasmParams, WasmResults};

use crate::imports;

/// The shared data of the VMs of one `vm_id`: each value and its number of writes.
pub type SharedData = Rc<RefCell<BTreeMap<Vec<u8>, (Vec<u8>, u32)>>>;

/// The state that the module can see and change.
#[derive(Debug, Default)]
pub struct World {
    /// The plugin's configuration.
    pub configuration: Vec<u8>,
    /// The environment variables, each as `NAME=value`.
    pub environment: Vec<String>,
    /// The time since 1970.
    pub now: Duration,
    /// The level of Envoy's `wasm` logger; 2 is info.
    pub log_level: u32,
    /// The properties, with their paths joined by dots.
    pub properties: BTreeMap<String, Vec<u8>>,
    /// The headers of the request.
    pub request: Vec<(Vec<u8>, Vec<u8>)>,
    /// The headers of the response.
    pub response: Vec<(Vec<u8>, Vec<u8>)>,
    /// The values that `proxy_set_shared_data` stored.
    pub shared: SharedData,
    /// The headers of the response to an HTTP call of the module.
    pub call_response: Vec<(Vec<u8>, Vec<u8>)>,

    /// The existing contexts: plugins and streams.
    pub contexts: BTreeSet<u32>,
    /// The names of the calls, in order, without `proxy_`.
    pub calls: Vec<String>,
    /// The log: level and line.
    pub log: Vec<(u32, String)>,
    /// The status of a local reply of the module.
    pub local_response: Option<u32>,
    /// The counters and their values.
    pub metrics: Vec<(String, u64)>,
    /// HTTP calls of the module without a response: their tokens and clusters.
    pub http_calls: Vec<(u32, String)>,
    /// The token of the last HTTP call.
    pub last_token: u32,
    random: u64,
}

impl World {
    /// A world with this configuration, in the year 2023.
    pub fn new(configuration: impl Into<Vec<u8>>) -> Self {
        let configuration = configuration.into();
        Self { configuration, now: Duration::from_secs(1_700_000_000), log_level: 2, ..Self::default() }
    }

    /// One of several VMs with the same shared data, each with its own random numbers.
    pub fn of_worker(configuration: impl Into<Vec<u8>>, shared: &SharedData, index: u32) -> Self {
        Self { shared: Rc::clone(shared), random: u64::from(index) << 32, ..Self::new(configuration) }
    }

    /// Random numbers that are the same in every run.
    pub fn random_byte(&mut self) -> u8 {
        // Knuth's multiplicative generator, which is good enough for a test.
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.random.to_be_bytes()[0]
    }
}

/// The module, compiled once.
static MODULE: LazyLock<Module> = LazyLock::new(|| {
    let path = harness::module_path().unwrap_or_else(|error| panic!("{error}"));
    Module::new(&Engine::default(), fs::read(path).unwrap()).unwrap()
});

/// The names of all exports of the module.
pub fn exported() -> Vec<String> {
    MODULE.exports().map(|export| export.name().to_owned()).collect()
}

/// A VM with the module. Any trap in the module fails the test.
pub struct Vm {
    store: Store<World>,
    instance: Instance,
    next_context: u32,
}

impl Vm {
    /// Loads the module without a plugin.
    pub fn load(world: World) -> Self {
        let mut store = Store::new(MODULE.engine(), world);
        let mut linker = Linker::new(MODULE.engine());
        for import in MODULE.imports() {
            let name = import.name().to_owned();
            let ty = import.ty().func().expect("only functions are imported").clone();
            let function = Func::new(&mut store, ty, move |mut caller, arguments, results| {
                // The interpreter is not unwind safe.
                let answer = AssertUnwindSafe(|| imports::answer(&name, &mut caller, arguments));
                let status = catch_unwind(answer).map_err(|_| wasmi::Error::new("the fake host panicked"))?;
                results[0] = Val::I32(status.cast_signed());
                Ok(())
            });
            linker.define(import.module(), import.name(), Extern::Func(function)).unwrap();
        }
        let instance = linker.instantiate_and_start(&mut store, &MODULE).unwrap();
        let mut vm = Self { store, instance, next_context: 1 };
        vm.call::<(), ()>("_initialize", ());
        vm
    }

    /// Starts a plugin as Envoy does: the VM, its root context, its configuration. Also returns whether the plugin
    /// accepts the configuration.
    pub fn start(world: World) -> (Self, u32, bool) {
        let mut vm = Self::load(world);
        let (root, taken) = vm.plugin();
        (vm, root, taken)
    }

    /// Starts another plugin in this VM, with the world's configuration. Returns its root context, and whether the
    /// plugin accepts the configuration.
    pub fn plugin(&mut self) -> (u32, bool) {
        let root = self.create(0);
        let size = u32::try_from(self.world().configuration.len()).unwrap();
        let started: Option<u32> = self.call("proxy_on_vm_start", (root, 0_u32));
        assert_eq!(started.unwrap_or(1), 1);
        let taken = self.call("proxy_on_configure", (root, size)).unwrap_or(1_u32);
        (root, taken == 1)
    }

    /// The state that the module can see and change.
    pub fn world(&mut self) -> &mut World {
        self.store.data_mut()
    }

    /// A new stream of the plugin with this root context, or a new root context.
    pub fn create(&mut self, root: u32) -> u32 {
        let context = self.next_context;
        self.next_context += 1;
        self.world().contexts.insert(context);
        self.call::<_, ()>("proxy_on_context_create", (context, root));
        context
    }

    /// The request headers arrive. Returns 0 to continue, 1 to pause.
    pub fn request(&mut self, stream: u32) -> u32 {
        self.call("proxy_on_request_headers", (stream, 1_u32, 1_u32)).unwrap_or(0)
    }

    /// The response headers arrive.
    pub fn response(&mut self, stream: u32) -> u32 {
        let count = u32::try_from(self.world().response.len()).unwrap();
        self.call("proxy_on_response_headers", (stream, count, 1_u32)).unwrap_or(0)
    }

    /// The stream or plugin ends.
    pub fn delete(&mut self, context: u32) {
        self.call::<_, u32>("proxy_on_done", context);
        self.call::<_, ()>("proxy_on_log", context);
        self.call::<_, ()>("proxy_on_delete", context);
        self.world().contexts.remove(&context);
    }

    /// Lets some time pass.
    pub fn tick(&mut self, root: u32) {
        self.call::<_, ()>("proxy_on_tick", root);
    }

    /// The clusters of the module's HTTP calls since the last time. Each call now gets a response with this status.
    pub fn answer_calls(&mut self, root: u32, status: impl Fn(&str) -> u16) -> Vec<String> {
        let calls = std::mem::take(&mut self.world().http_calls);
        let answered = calls.into_iter().map(|(token, cluster)| {
            let status = status(&cluster).to_string();
            self.world().call_response = vec![(b":status".to_vec(), status.into_bytes())];
            self.call::<_, ()>("proxy_on_http_call_response", (root, token, 1_u32, 0_u32, 0_u32));
            cluster
        });
        answered.collect()
    }

    /// The host calls since the last time.
    pub fn calls(&mut self) -> Vec<String> {
        std::mem::take(&mut self.world().calls)
    }

    /// The size of the memory in bytes.
    pub fn memory(&self) -> usize {
        self.instance.get_memory(&self.store, "memory").unwrap().data_size(&self.store)
    }

    /// Calls an export of the module. Like Envoy, skips callbacks that the module does not export.
    fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, arguments: P) -> Option<R> {
        let function = self.instance.get_func(&self.store, name)?;
        let function = function.typed::<P, R>(&self.store).unwrap_or_else(|error| panic!("{name}: {error}"));
        Some(function.call(&mut self.store, arguments).unwrap_or_else(|trap| {
            panic!("{name} trapped: {trap}; it had logged {:?}", self.store.data().log)
        }))
    }
}
