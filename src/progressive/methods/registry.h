// The methods, one file each: a new one is declared here and listed in methods.cpp.
#pragma once

#include "progressive/methods.h"

namespace apollo {

Method scratch_method();
Method apollo_method();

}  // namespace apollo
