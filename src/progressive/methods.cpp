// The list of methods; each is described in a file of its own under methods/.
#include "progressive/methods.h"

#include "base/error.h"
#include "base/spelling.h"
#include "progressive/methods/registry.h"

namespace apollo {

const std::vector<Method>& methods() {
  static const std::vector<Method> all = {
      scratch_method(), apollo_method(), apollo_plus_method(), stackbert_method(),
      mslt_method(),    gstack_method(), midas_method(),       lidas_method(),
      one_hop_method(), raptr_method(),  identity_method(),    bert2bert_method(),
      ligo_method()};
  return all;
}

const Method& find_method(const std::string& name) {
  std::vector<std::string> names;
  for (const Method& method : methods()) {
    if (method.name == name) return method;
    names.push_back(method.name);
  }
  std::string known;
  for (const std::string& other : names)
    known += (known.empty() ? "'" : ", '") + other + "'";
  const std::string hint = did_you_mean(name, names);
  fail<UsageError>("unknown method '{}': known are {}{}{}", name, known, hint.empty() ? "" : "; ",
                   hint);
}

std::string stages_text(const std::vector<StageSpec>& stages) {
  std::string text;
  for (const StageSpec& stage : stages) {
    text += fmt::format("{}{}{}{}", text.empty() ? "" : ", ", stage.layers,
                        stage.depth ? fmt::format(" at {}", *stage.depth) : "",
                        stage.until ? " until " + to_string(*stage.until) : "");
  }
  return text;
}

}  // namespace apollo
