// The models that the program has, each in a file of its own. To add one, write its file and its
// description in arch/, and add a line here and in model.cpp.
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
