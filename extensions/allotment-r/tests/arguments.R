# What is refused before the command is run, and what is said where there is none.
library(allotment)

refused <- function(code) {
  error <- tryCatch({
    code
    NULL
  }, allotment_error = identity)
  stopifnot(inherits(error, "allotment_error"))
  conditionMessage(error)
}

for (settings in list("16 GiB", c(memory.limit = 16), c(memory.limit = "16 GiB", "x"))) {
  stopifnot(grepl("named character vector", refused(propose_this_environment(settings))))
}
stopifnot(grepl("no single text", refused(propose_this_environment(reason = c("a", "b")))))
stopifnot(grepl("no single text", refused(try_proposal(NA_character_))))

Sys.setenv(PATH = tempdir())
for (call in list(my_profile, session_status, propose_this_environment, function() try_proposal("1"))) {
  stopifnot(grepl("allotment-session is not installed here", refused(call()), fixed = TRUE))
}

addins <- read.dcf(system.file("rstudio", "addins.dcf", package = "allotment"))
stopifnot(addins[, "Binding"] %in% getNamespaceExports("allotment"))
