# stdin: fortune files, entries between lines of one percent sign.  stdout: the entries, each ended by a zero byte.
use strict;
use warnings;

$/ = "\n%\n";
while (my $entry = <STDIN>) {
  chomp $entry;
  $entry =~ s/.\x08//g;  # overstriking
  my @lines;
  for my $line (split /\n/, $entry) {
    # A line that was broken at the margin goes on in the next one, unless that is indented (verse, list, author).
    my $goes_on = @lines && length $lines[-1] > 55 && $line =~ /^\S/;
    if ($goes_on) { $lines[-1] .= " $line" } else { push @lines, $line }
  }
  print join("\n", @lines), "\0";
}
