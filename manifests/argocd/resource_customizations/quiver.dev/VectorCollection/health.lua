local hs = { status = "Progressing", message = "Waiting for Quiver to look at the collection" }

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

-- Each of these is there only while it is true. Suspended comes first: Ready stays as it was then.
local order = { { "Suspended", "Suspended" }, { "Reconciling", "Progressing" }, { "Stalled", "Degraded" } }
for _, pair in ipairs(order) do
  local condition = conditions[pair[1]]
  if condition ~= nil and condition.status == "True" then
    return tell(pair[2], condition)
  end
end

local ready = conditions["Ready"]
if ready == nil then
  return hs
end
if ready.status ~= "True" then
  return tell("Progressing", ready)
end

-- The collection is there and answers, though empty: that does not hold up later waves, but is to be read.
tell("Healthy", ready)
local lost = conditions["DataLost"]
if lost ~= nil and lost.status == "True" then
  hs.message = "DataLost: " .. lost.message .. " " .. hs.message
end
return hs
