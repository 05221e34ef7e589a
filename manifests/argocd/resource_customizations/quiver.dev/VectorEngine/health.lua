local hs = { status = "Progressing", message = "Waiting for Quiver to look at the engine" }

if obj.status == nil or obj.status.conditions == nil then
  return hs
end

if obj.status.observedGeneration ~= nil and obj.status.observedGeneration ~= obj.metadata.generation then
  hs.message = "Waiting for Quiver to look at the change"
  return hs
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions) do
  conditions[condition.type] = condition
end

local function tell(status, condition)
  hs.status = status
  hs.message = condition.reason .. ": " .. condition.message
  return hs
end

-- Each of these is there only while it is true.
local order = { { "Reconciling", "Progressing" }, { "Stalled", "Degraded" } }
for _, pair in ipairs(order) do
  local condition = conditions[pair[1]]
  if condition ~= nil and condition.status == "True" then
    return tell(pair[2], condition)
  end
end

-- An engine that serves in spite of a trouble is Ready; the reason and the message then tell the trouble.
local ready = conditions["Ready"]
if ready == nil then
  return hs
end
return tell(ready.status == "True" and "Healthy" or "Progressing", ready)
