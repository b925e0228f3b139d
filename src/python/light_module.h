// The parts of apollo_lm._light.
#pragma once

#include "python/engine_call.h"

namespace apollo::python {

void bind_tokenizer(nb::module_& module);
void bind_data(nb::module_& module);
void bind_plan(nb::module_& module);
void bind_report(nb::module_& module);

}  // namespace apollo::python
