// Writes realistic runs for looking at pages and timing reports:
//   write_made_up_runs FOLDER STEPS   makes FOLDER/scratch and FOLDER/apollo
#include <cstdio>
#include <cstdlib>

#include "report/made_up_run.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: write_made_up_runs FOLDER STEPS\n");
    return 2;
  }
  const std::filesystem::path folder = argv[1];
  for (const char* method : {"scratch", "apollo"}) {
    apollo::write_realistic_run(folder / method, method, method, std::atoll(argv[2]));
  }
  return 0;
}
