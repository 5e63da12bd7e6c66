//! The functions that the module imports: proxy-wasm ABI 0.2.1 and a part of WASI, with the behaviour of Envoy.

use wasmi::{Caller, Extern, Val};

use crate::host::World;

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const BAD_ARGUMENT: u32 = 2;
const CAS_MISMATCH: u32 = 8;

/// One call into the host.
pub struct Call<'a, 'c> {
    caller: &'a mut Caller<'c, World>,
    arguments: Vec<u64>,
}

/// Handles the call of this name; the result is a status.
pub fn answer(name: &str, caller: &mut Caller<'_, World>, arguments: &[Val]) -> u32 {
    let arguments = arguments.iter().map(|value| match value {
        Val::I32(bits) => u64::from(bits.cast_unsigned()),
        Val::I64(bits) => bits.cast_unsigned(),
        other => panic!("the ABI has no {other:?}"),
    });
    let mut call = Call { arguments: arguments.collect(), caller };
    let line = call.describe(name);
    call.world().calls.push(line);
    call.perform(name)
}

impl Call<'_, '_> {
    fn world(&mut self) -> &mut World {
        self.caller.data_mut()
    }

    /// The name of the call, and its subject.
    fn describe(&mut self, name: &str) -> String {
        let short = name.strip_prefix("proxy_").unwrap_or(name);
        match name {
            "proxy_get_property" => {
                format!("{short} {}", String::from_utf8(self.bytes(0)).unwrap().replace('\0', "."))
            }
            "proxy_get_header_map_value"
            | "proxy_replace_header_map_value"
            | "proxy_add_header_map_value"
            | "proxy_remove_header_map_value" => {
                format!("{short} {}", String::from_utf8(self.bytes(1)).unwrap())
            }
            _ => short.to_owned(),
        }
    }

    fn perform(&mut self, name: &str) -> u32 {
        match name {
            "proxy_log" => {
                let line = (self.number(0), String::from_utf8(self.bytes(1)).unwrap());
                self.world().log.push(line);
                OK
            }
            "proxy_get_log_level" => {
                let level = self.world().log_level;
                self.put_u32(0, level)
            }
            "proxy_get_current_time_nanoseconds" => {
                let nanoseconds = self.world().now.as_nanos();
                self.put(0, &u64::try_from(nanoseconds).unwrap().to_le_bytes())
            }
            "proxy_set_tick_period_milliseconds" => OK,
            "proxy_set_effective_context" => {
                let context = self.number(0);
                if self.world().contexts.contains(&context) { OK } else { BAD_ARGUMENT }
            }
            "proxy_define_metric" => {
                let name = String::from_utf8(self.bytes(1)).unwrap();
                let id = self.world().metrics.len();
                self.world().metrics.push((name, 0));
                self.put_u32(3, u32::try_from(id).unwrap())
            }
            "proxy_record_metric" => {
                let (id, value) = (self.number(0) as usize, self.arguments[1]);
                self.world().metrics[id].1 = value;
                OK
            }
            "proxy_increment_metric" => {
                let (id, by) = (self.number(0) as usize, self.arguments[1]);
                match self.world().metrics.get_mut(id) {
                    Some((_, value)) => {
                        *value += by;
                        OK
                    }
                    None => NOT_FOUND,
                }
            }
            "proxy_get_buffer_bytes" if self.number(0) == 7 => {
                let configuration = self.world().configuration.clone();
                self.hand_over(&configuration, 3)
            }
            "proxy_get_property" => {
                let path = String::from_utf8(self.bytes(0)).unwrap().replace('\0', ".");
                match self.world().properties.get(&path).cloned() {
                    Some(value) => self.hand_over(&value, 2),
                    None => NOT_FOUND,
                }
            }
            _ if name.contains("_header_map_") => self.perform_on_headers(name),
            "proxy_send_local_response" => {
                let status = self.number(0);
                self.world().local_response = Some(status);
                OK
            }
            _ if name.contains("_shared_data") => self.perform_on_shared_data(name),
            "proxy_http_call" => {
                let cluster = String::from_utf8(self.bytes(0)).unwrap();
                let world = self.world();
                world.last_token += 1;
                let token = world.last_token;
                world.http_calls.push((token, cluster));
                self.put_u32(9, token)
            }
            "random_get" => {
                let bytes: Vec<u8> = (0..self.number(1)).map(|_| self.world().random_byte()).collect();
                self.put(0, &bytes)
            }
            "environ_sizes_get" => {
                let environment = self.world().environment.clone();
                let size: usize = environment.iter().map(|line| line.len() + 1).sum();
                self.put_u32(0, u32::try_from(environment.len()).unwrap());
                self.put_u32(1, u32::try_from(size).unwrap())
            }
            "environ_get" => {
                let mut place = self.number(1);
                for (index, line) in (0..).zip(self.world().environment.clone()) {
                    let text = [line.as_bytes(), &[0]].concat();
                    self.put_at(self.number(0) + 4 * index, &place.to_le_bytes());
                    self.put_at(place, &text);
                    place += u32::try_from(text.len()).unwrap();
                }
                OK
            }
            _ => BAD_ARGUMENT,
        }
    }

    fn perform_on_shared_data(&mut self, name: &str) -> u32 {
        match name {
            "proxy_get_shared_data" => {
                let key = self.bytes(0);
                let known = self.world().shared.borrow().get(&key).cloned();
                match known {
                    Some((value, version)) => {
                        self.put_u32(4, version);
                        self.hand_over(&value, 2)
                    }
                    None => NOT_FOUND,
                }
            }
            "proxy_set_shared_data" => {
                let (key, value, version) = (self.bytes(0), self.bytes(2), self.number(4));
                let mut shared = self.world().shared.borrow_mut();
                let known = shared.get(&key).map_or(0, |(_, version)| *version);
                if version != 0 && known != 0 && version != known {
                    return CAS_MISMATCH;
                }
                shared.insert(key, (value, known + 1));
                OK
            }
            _ => BAD_ARGUMENT,
        }
    }

    fn perform_on_headers(&mut self, name: &str) -> u32 {
        match name {
            "proxy_get_header_map_pairs" => {
                let pairs = encode(self.headers());
                self.hand_over(&pairs, 1)
            }
            "proxy_get_header_map_value" => {
                let name = self.bytes(1);
                match self.headers().iter().find(|(other, _)| *other == name).cloned() {
                    Some((_, value)) => self.hand_over(&value, 3),
                    None => NOT_FOUND,
                }
            }
            "proxy_replace_header_map_value" => {
                let (name, value) = (self.bytes(1), self.bytes(3));
                self.headers().retain(|(other, _)| *other != name);
                self.headers().push((name, value));
                OK
            }
            "proxy_add_header_map_value" => {
                let pair = (self.bytes(1), self.bytes(3));
                self.headers().push(pair);
                OK
            }
            "proxy_remove_header_map_value" => {
                let name = self.bytes(1);
                self.headers().retain(|(other, _)| *other != name);
                OK
            }
            _ => BAD_ARGUMENT,
        }
    }

    fn number(&self, argument: usize) -> u32 {
        u32::try_from(self.arguments[argument]).unwrap()
    }

    /// The bytes at the pointer and length in two arguments.
    fn bytes(&self, argument: usize) -> Vec<u8> {
        let (pointer, length) = (self.number(argument) as usize, self.number(argument + 1) as usize);
        self.memory().data(&*self.caller)[pointer..pointer + length].to_vec()
    }

    fn memory(&self) -> wasmi::Memory {
        self.caller.get_export("memory").and_then(Extern::into_memory).expect("the module exports its memory")
    }

    fn put_at(&mut self, pointer: u32, bytes: &[u8]) {
        let memory = self.memory();
        memory.write(&mut *self.caller, pointer as usize, bytes).expect("a place within the memory");
    }

    /// Writes to the address in an argument.
    fn put(&mut self, argument: usize, bytes: &[u8]) -> u32 {
        self.put_at(self.number(argument), bytes);
        OK
    }

    fn put_u32(&mut self, argument: usize, number: u32) -> u32 {
        self.put(argument, &number.to_le_bytes())
    }

    /// Returns bytes in memory that the module allocates.
    fn hand_over(&mut self, bytes: &[u8], argument: usize) -> u32 {
        // Envoy allocates no block for an empty value.
        let pointer = if bytes.is_empty() { 0 } else { self.place(bytes) };
        let size = u32::try_from(bytes.len()).unwrap();
        self.put_u32(argument, pointer);
        self.put_u32(argument + 1, size)
    }

    /// Puts bytes into a block that the module allocates.
    fn place(&mut self, bytes: &[u8]) -> u32 {
        let malloc = self.caller.get_export("malloc").and_then(Extern::into_func).expect("malloc");
        let malloc = malloc.typed::<u32, u32>(&*self.caller).expect("malloc takes a size");
        let size = u32::try_from(bytes.len()).unwrap();
        let pointer = malloc.call(&mut *self.caller, size).expect("malloc does not trap");
        self.put_at(pointer, bytes);
        pointer
    }

    /// The header map that the first argument selects.
    fn headers(&mut self) -> &mut Vec<(Vec<u8>, Vec<u8>)> {
        match self.number(0) {
            0 => &mut self.world().request,
            2 => &mut self.world().response,
            6 => &mut self.world().call_response,
            other => panic!("no header map {other}"),
        }
    }
}

/// The ABI's encoding of a header map.
pub fn encode(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
    let mut encoded = u32::try_from(pairs.len()).unwrap().to_le_bytes().to_vec();
    for (name, value) in pairs {
        encoded.extend([length(name), length(value)].concat());
    }
    for (name, value) in pairs {
        encoded.extend([name, &[0][..], value, &[0]].concat());
    }
    encoded
}
