// build/apollo-engine: every command, with LibTorch. build/apollo calls it (main.cpp).
#include "base/allocator.h"
#include "base/standard_streams.h"
#include "cli/commands.h"
#include "cli/program.h"
#include "ops/tensor_allocator.h"

int main(int argc, char** argv) {
  using namespace apollo;
  guard_standard_streams();
  set_allocator();
  set_tensor_allocator();
  return run_program(argc, argv, commands());
}
