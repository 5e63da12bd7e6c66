-- Does the same job without keys. It knows the backends, so that a client cannot name another cluster.
local backends = {"backend-0", "backend-1", "backend-2"}
local known = {}
for _, name in ipairs(backends) do known[name] = true end

function envoy_on_request(handle)
  local headers = handle:headers()
  local cookies = headers:get("cookie")
  local backend = cookies and string.match("; " .. cookies, "; GCLB=([^;]*)")
  if not known[backend] then
    backend = backends[math.random(#backends)]
    handle:streamInfo():dynamicMetadata():set("affinity", "new", backend)
  end
  headers:replace("x-affinity-cluster", backend)
end

function envoy_on_response(handle)
  local metadata = handle:streamInfo():dynamicMetadata():get("affinity")
  if metadata then
    handle:headers():add("set-cookie", "GCLB=" .. metadata["new"] .. "; Path=/; HttpOnly; Max-Age=1209600")
  end
end
