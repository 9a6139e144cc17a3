# usage: write_jsonl.pl SOURCE MIN_BYTES TRAIN VALIDATION < documents, each ended by a zero byte
#
# Appends {"text", "source"} lines to the two files. Whether a document is for validation (one in 64) depends on its
# text alone. Prints: source, documents, validation documents, bytes, words.
use strict;
use warnings;

my ($source, $min_bytes, $train_path, $validation_path) = @ARGV;
open(my $train, '>>', $train_path) or die "$train_path: $!\n";
open(my $validation, '>>', $validation_path) or die "$validation_path: $!\n";

my %entity = (amp => '&', lt => '<', gt => '>', quot => '"', apos => "'", nbsp => ' ', '#39' => "'");

sub clean {
  my ($text) = @_;
  $text =~ s/[\x80-\xff]//g unless utf8::decode(my $copy = $text);  # not UTF-8: ASCII is what we can trust
  $text =~ s/<\/?(?:a|b|i|p|br|tt|em|strong|table|t[rdh]|div|span|pre|code|[uo]l|li|h\d)(?:\s[^<>]*)?\/?>//gi;
  $text =~ s/&(#?\w+);/$entity{$1} \/\/ ''/ge;
  $text =~ s/\xc2\xa0/ /g;  # the blank that does not break
  $text =~ s/\r\n?/\n/g;
  $text =~ tr/\t\x0b\x0c/   /;
  $text =~ s/[\x00-\x09\x0b-\x1f\x7f]//g;
  $text =~ s/ {2,}/ /g;
  $text =~ s/ ?\n ?/\n/g;
  $text =~ s/\n{3,}/\n\n/g;
  $text =~ s/^\s+|\s+$//g;
  return $text;
}

sub is_english {
  my ($text) = @_;
  my $letters = () = $text =~ /[A-Za-z ]/g;
  return length $text >= $min_bytes && $letters >= 0.85 * length $text;
}

sub hash_of {  # FNV-1a over 32-bit words
  my ($text) = @_;
  my $hash = 2166136261;
  $hash = (($hash ^ $_) * 16777619) & 0xffffffff for unpack('N*', $text . "\0\0\0");
  return $hash;
}

sub quoted {
  my ($text) = @_;
  $text =~ s/([\\"])/\\$1/g;
  $text =~ s/\n/\\n/g;
  return "\"$text\"";
}

my %seen;
my ($documents, $validation_documents, $bytes, $words) = (0, 0, 0, 0);
$/ = "\0";
while (my $text = <STDIN>) {
  chomp $text;
  $text = clean($text);
  next if !is_english($text) || $seen{$text}++;
  my $for_validation = (hash_of($text) >> 16) % 64 == 0;
  print { $for_validation ? $validation : $train } '{"text": ', quoted($text), ', "source": ', quoted($source), "}\n";
  ++$documents;
  ++$validation_documents if $for_validation;
  $bytes += length $text;
  $words += () = $text =~ /\S+/g;
}
close($train) or die "$train_path: $!\n";
close($validation) or die "$validation_path: $!\n";
printf "%-12s %8d %8d %12d %12d\n", $source, $documents, $validation_documents, $bytes, $words;
