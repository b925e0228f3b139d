#include "arch/architecture.h"

namespace apollo {
namespace {

struct Registry {
  // In the order of the enumeration.
  std::vector<const ArchitectureInfo*> infos = {&gpt2_info(), &bert_info(), &llama_info(),
                                                &qwen3_info(), &modernbert_info()};
  std::vector<std::string_view> names = {gpt2_info().name, bert_info().name, llama_info().name,
                                         qwen3_info().name, modernbert_info().name};
};

Registry& registry() {
  static Registry registry;
  return registry;
}

}  // namespace

template <>
std::span<const std::string_view> enum_names<Architecture>() {
  return registry().names;
}

const ArchitectureInfo& describe(Architecture architecture) {
  return *registry().infos.at(static_cast<size_t>(architecture));
}

Architecture register_architecture(const ArchitectureInfo& info) {
  registry().infos.push_back(&info);
  registry().names.push_back(info.name);
  return static_cast<Architecture>(registry().infos.size() - 1);
}

}  // namespace apollo
