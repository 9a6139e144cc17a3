# stdin: WordNet data files.  stdout: the definitions of neighbouring synsets, a line each, as documents of twenty lines
# ended by a zero byte: "motor vehicle, automotive vehicle: a self-propelled wheeled vehicle that ..."
use strict;
use warnings;

my @lines;
sub flush_lines { print join("\n", @lines), "\0" if @lines; @lines = () }

while (my $line = <STDIN>) {
  # offset, file, type, number of words in hexadecimal, then (word, number) pairs; the gloss after a bar
  my ($count, $rest, $gloss) = $line =~ /^\d{8} \d\d [nvasr] ([0-9a-f]{2}) (.*?) \| (.*\S)/ or next;
  my @fields = split ' ', $rest;
  my @words = map { $fields[2 * $_] } 0 .. hex($count) - 1;
  tr/_/ /, s/\((?:a|p|ip)\)$// for @words;
  $gloss =~ s/;\s*"/. "/;               # the definition, then examples
  $gloss =~ s/"(?:;|,)\s*"/" "/g;
  $gloss =~ s/\s*;\s*$//;
  $gloss .= '.' unless $gloss =~ /[.!?]"?$/;
  push @lines, join(', ', @words) . ": $gloss";
  flush_lines() if @lines == 20;
}
flush_lines();
