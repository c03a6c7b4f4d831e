package Live::Person;

# Somebody who uses the API of a Live::Control.
#
#   my $ann = person($cp, 'ann');                   # registered, logged in
#   my $mod = person($cp, 'mod', role => 'moderator');
#   my $anyone = anyone($cp);                       # not logged in
#   my $res = $ann->post('/streams', { title => 'x' });
#   $ann->get('/streams'); $ann->patch($path, { … }, 'If-Match' => $etag);
#   $ann->put($path, { … }); $ann->delete($path); $ann->id;
#
# Header lines go behind the body; what comes back is Live::Control's response.

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(person anyone);

sub person {
    my ($cp, $name, %opt) = @_;
    my $user = $cp->register($name);

    $cp->make($user => $opt{role}) if $opt{role};

    return bless { cp => $cp, %$user }, __PACKAGE__;
}

sub anyone {
    my ($cp) = @_;

    return bless { cp => $cp }, __PACKAGE__;
}

sub id    { return $_[0]{id} }
sub token { return $_[0]{token} }

sub _ask {
    my ($self, $method, $path, @rest) = @_;
    my $json = ref $rest[0] ? shift @rest : undef;

    return $self->{cp}->request($method, $path,
        (defined $json ? (json => $json) : ()),
        (defined $self->{token} ? (token => $self->{token}) : ()),
        headers => { @rest });
}

sub get    { my $self = shift; return $self->_ask('GET', @_) }
sub post   { my $self = shift; return $self->_ask('POST', @_) }
sub put    { my $self = shift; return $self->_ask('PUT', @_) }
sub patch  { my $self = shift; return $self->_ask('PATCH', @_) }
sub delete { my $self = shift; return $self->_ask('DELETE', @_) }

1;
