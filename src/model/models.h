// The models that the program has, each in a file of its own. Adding one: its file, a line here and
// one in model.cpp, and what the architecture is in arch/.
#pragma once

#include <utility>

#include "model/model.h"

namespace apollo {

std::pair<Architecture, ModelFactory> gpt2_model();
std::pair<Architecture, ModelFactory> bert_model();
std::pair<Architecture, ModelFactory> llama_model();
std::pair<Architecture, ModelFactory> qwen3_model();
std::pair<Architecture, ModelFactory> modernbert_model();

}  // namespace apollo
