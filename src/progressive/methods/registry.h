// The methods, one file each. A new one is declared here and listed in methods.cpp.
#pragma once

#include "progressive/methods.h"

namespace apollo {

Method scratch_method();
Method apollo_method();
Method apollo_plus_method();
Method stackbert_method();
Method mslt_method();
Method gstack_method();
Method midas_method();
Method lidas_method();
Method one_hop_method();
Method raptr_method();
Method identity_method();
Method bert2bert_method();
Method ligo_method();

}  // namespace apollo
