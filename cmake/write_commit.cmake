# Writes HEADER with the commit of SOURCE_DIR as APOLLO_COMMIT, "" outside of a repository, and leaves
# it alone where it says so already. Run by every build, since a commit can follow a configuration.
set(commit "")
if(EXISTS "${SOURCE_DIR}/.git")
  execute_process(COMMAND git -C "${SOURCE_DIR}" rev-parse --short HEAD
                  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
file(CONFIGURE OUTPUT "${HEADER}" CONTENT "#define APOLLO_COMMIT \"${commit}\"\n" @ONLY)
